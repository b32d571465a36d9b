//! The loop: a line is read, and what it says is done, while what happens is printed.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use aemp::NodeId;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};

use super::command::{self, Command};
use super::input::{Input, Typed};
use super::names::{Learner, Names};
use super::say::{Answer, Event, Say};
use super::work::Shell;
use crate::failure::Failure;
use crate::network::Session;
use crate::{output, pager, terminal};

/// How many events may wait to be printed. Who makes more waits.
const EVENTS: usize = 64;

/// How often it is tried to print again what the editor could not print yet.
const LOOK: Duration = Duration::from_millis(20);

/// Reads commands and does them until there are no more. `here` is the node that they are about, if there is one, and
/// `functions` are those that this program can have spawned.
pub(crate) async fn run(
    session: &Session,
    here: Option<NodeId>,
    functions: BTreeSet<String>,
    json: bool,
) -> Result<(), Failure> {
    let names = Names::default();
    names.lock().functions = functions;
    let mut input = Input::new(names.clone(), here.as_ref());
    let (send, mut events) = channel(EVENTS);
    let mut shell = Shell::new(session, names.clone(), send);
    let mut learner = Learner::new(names);
    let say = Say { json };
    // Without an editor both end the process, as they do elsewhere.
    let mut signals = match input.is_edited {
        true => Some(Signals::new()?),
        false => None,
    };
    if input.is_edited && !json {
        let id = session.node.id();
        output::write(&format!(
            "{id} has joined; \"help\" lists the commands, \"exit\" or Ctrl-D leaves\n"
        ))?;
    }
    for number in 1.. {
        if input.is_edited {
            learner.look(session);
        }
        let line = match read(&mut input, &say, &mut events, &mut signals).await? {
            Typed::Line(line) => line,
            Typed::Abandoned => continue,
            Typed::End => {
                // What has happened by now.
                while let Ok(event) = events.try_recv() {
                    output::write(&say.event(&event))?;
                }
                break;
            }
            Typed::Failed(error) => {
                let failure = Failure::Failed(format!("it cannot be read: {error}"));
                return Err(Failure::Line {
                    number,
                    failure: Box::new(failure),
                });
            }
        };
        let done = match command::parse(&line, here.as_ref()) {
            Ok(None) => continue,
            Ok(Some(command)) => {
                execute(&mut shell, &say, command, &mut events, &mut signals).await
            }
            Err(failure) => Err(failure),
        };
        let printed = match done {
            Ok(Answer::Nothing) => Ok(()),
            Ok(Answer::Last) => break,
            Ok(Answer::Long(text)) if input.is_edited => page(text).await,
            Ok(Answer::Short(text) | Answer::Long(text)) => output::write(&text),
            Err(failure) => Err(failure),
        };
        match printed {
            Ok(()) | Err(Failure::Interrupted) => {}
            Err(failure) if failure.is_broken_pipe() => return Err(failure),
            Err(failure) if input.is_edited => output::error(&failure),
            Err(failure) => {
                let failure = Box::new(failure);
                return Err(Failure::Line { number, failure });
            }
        }
    }
    Ok(())
}

/// Has a line read, and meanwhile prints what happens.
async fn read(
    input: &mut Input,
    say: &Say,
    events: &mut Receiver<Event>,
    signals: &mut Option<Signals>,
) -> Result<Typed, Failure> {
    input.ask();
    // What the editor could not print yet. To wait for that alone would be to wait for ever, once it has the line.
    let mut held = None;
    loop {
        tokio::select! {
            biased;
            line = input.next() => {
                held.map_or(Ok(()), |text: String| output::write(&text))?;
                return Ok(line);
            }
            told = told(signals) => match told {
                Told::End => return Ok(Typed::End),
                // From somewhere else, or left from what was done before: the editor takes Ctrl-C itself.
                Told::Abandon => {}
            },
            Some(event) = events.recv(), if held.is_none() => held = input.print(say.event(&event))?,
            () = tokio::time::sleep(LOOK), if held.is_some() => {
                held = held.map_or(Ok(None), |text| input.print(text))?;
            }
        }
    }
}

/// Does what a command says, and meanwhile prints what happens.
async fn execute(
    shell: &mut Shell<'_>,
    say: &Say,
    command: Command,
    events: &mut Receiver<Event>,
    signals: &mut Option<Signals>,
) -> Result<Answer, Failure> {
    let mut work = pin!(shell.execute(say, command));
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            Some(event) = events.recv() => output::write(&say.event(&event))?,
            told = told(signals) => match told {
                Told::Abandon => {
                    output::hint("given up");
                    return Ok(Answer::Nothing);
                }
                Told::End => return Ok(Answer::Last),
            },
        }
    }
}

/// Shows a text in the pager, on a thread of its own: somebody may read for long, and the node has to answer meanwhile.
async fn page(text: String) -> Result<(), Failure> {
    let paged = tokio::task::spawn_blocking(move || pager::page(&text));
    paged.await.unwrap_or(Ok(()))
}

/// What would end the process while the editor has the terminal.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// What the process was told by a signal.
enum Told {
    Abandon,
    End,
}

async fn told(signals: &mut Option<Signals>) -> Told {
    let Some(signals) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        _ = signals.terminate.recv() => Told::End,
        _ = signals.hangup.recv() => Told::End,
        _ = signals.interrupt.recv() => Told::Abandon,
        () = terminal::gone() => Told::End,
    }
}
