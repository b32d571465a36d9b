//! Where the lines come from: an editor where all is on a terminal, or whatever standard input is. Both wait, so a thread reads
//! them, one whenever it is asked for one.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aemp::NodeId;
use reedline::{
    ColumnarMenu, Emacs, ExternalPrinter, KeyCode, KeyModifiers, MenuBuilder, Prompt,
    PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    default_emacs_keybindings,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::completion::Completion;
use super::history::history;
use super::names::Names;
use crate::failure::Failure;
use crate::{output, terminal};

const MENU: &str = "completion";

/// What stands between the prompt's name and the line.
const SIGN: &str = "> ";

/// How often the editor looks for something to print, or whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How long the editor has to stop. It needs some [`LOOK`]s at most.
const LEAVE: Duration = Duration::from_secs(2);

/// How many lines may wait to be printed above the one that is being edited.
const WAITING: usize = 100;

/// What came of reading a line.
#[derive(Debug)]
pub(super) enum Typed {
    Line(String),
    /// Ctrl-C: the line is thrown away.
    Abandoned,
    End,
    Failed(io::Error),
}

pub(super) struct Input {
    ask: Option<Sender<()>>,
    /// As many as were asked for.
    lines: UnboundedReceiver<Typed>,
    thread: JoinHandle<()>,
    /// Set to end the editor.
    stop: Arc<AtomicBool>,
    /// Where the editor takes what it prints above its line.
    above: Option<SyncSender<String>>,
    /// Whether there is an editor.
    pub(super) is_edited: bool,
}

impl Input {
    /// Reads lines about the node `here`, if there is one.
    pub(super) fn new(names: Names, here: Option<&NodeId>) -> Self {
        // The editor draws on standard error, and asks the terminal on standard output where the cursor is.
        let is_edited =
            io::stdin().is_terminal() && io::stdout().is_terminal() && terminal::rewrites_lines();
        let (ask, asked) = channel();
        let (send, lines) = unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let printer = is_edited.then(|| ExternalPrinter::new(WAITING));
        let above = printer.as_ref().map(ExternalPrinter::sender);
        let stopped = stop.clone();
        let completion = Completion {
            names,
            here: here.cloned(),
        };
        let prompt = Plain(here.map_or_else(|| "aemp".into(), NodeId::to_string));
        let thread = std::thread::spawn(move || match printer {
            Some(printer) => edit(&asked, &send, editor(completion, printer, stopped), &prompt),
            None => read(&asked, &send),
        });
        Self {
            ask: Some(ask),
            lines,
            thread,
            stop,
            above,
            is_edited,
        }
    }

    /// Has a line read, which `next` gives.
    pub(super) fn ask(&self) {
        // A thread that has ended has said why.
        self.ask.as_ref().map(|ask| ask.send(()));
    }

    /// Prints something while a line is read. Gives it back if the editor has not printed yet what came before.
    pub(super) fn print(&self, text: String) -> Result<Option<String>, Failure> {
        let Some(above) = &self.above else {
            return output::write(&text).map(|()| None);
        };
        match above.try_send(output::harmless(&text).into_owned()) {
            Err(TrySendError::Full(text)) => Ok(Some(text)),
            // An editor that has ended has said why.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(None),
        }
    }

    /// The line that was asked for.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Typed {
        let gone = || Typed::Failed(io::Error::other("the editor has failed"));
        self.lines.recv().await.unwrap_or_else(gone)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ask = None;
        // The editor leaves the terminal as it was, and has the history written. Who reads a pipe may never end, nor an editor
        // whose terminal is gone.
        let end = Instant::now() + LEAVE;
        while self.is_edited && !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(LOOK / 5);
        }
    }
}

fn read(asked: &Receiver<()>, send: &UnboundedSender<Typed>) {
    while asked.recv().is_ok() {
        let mut line = String::new();
        let typed = match io::stdin().read_line(&mut line) {
            Ok(0) => Typed::End,
            Ok(_) => Typed::Line(line),
            Err(error) => Typed::Failed(error),
        };
        if send.send(typed).is_err() {
            return;
        }
    }
}

fn edit(asked: &Receiver<()>, send: &UnboundedSender<Typed>, mut editor: Reedline, prompt: &Plain) {
    while asked.recv().is_ok() {
        let typed = match editor.read_line(prompt) {
            Ok(Signal::Success(line)) => Typed::Line(line),
            Ok(Signal::CtrlC) => Typed::Abandoned,
            Ok(Signal::ExternalBreak(_)) => {
                // Whatever comes next does not belong to the line.
                let _ = writeln!(io::stderr());
                Typed::End
            }
            Ok(_) => Typed::End,
            Err(error) => Typed::Failed(error),
        };
        // So that another shell finds the line; if it cannot be written, this one still has it.
        let _ = editor.sync_history();
        if send.send(typed).is_err() {
            return;
        }
    }
}

fn editor(
    completion: Completion,
    printer: ExternalPrinter<String>,
    stop: Arc<AtomicBool>,
) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let complete = vec![ReedlineEvent::Menu(MENU.into()), ReedlineEvent::MenuNext];
    let tab = ReedlineEvent::UntilFound(complete);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, tab);
    let menu = ColumnarMenu::default().with_name(MENU).with_marker(SIGN);
    let editor = Reedline::create()
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_completer(Box::new(completion))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_ansi_colors(terminal::colours())
        .with_external_printer(printer)
        .with_poll_interval(LOOK)
        .with_break_signal(stop);
    match history() {
        Ok(history) => editor.with_history(Box::new(history)),
        Err(why) => {
            output::hint(&why);
            editor
        }
    }
}

/// The prompt: this program, or the node that commands are about.
struct Plain(String);

impl Prompt for Plain {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        self.0.as_str().into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        SIGN.into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "... ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        format!(" ({})> ", search.term).into()
    }
}
