//! How a command leaves the terminal: as it was, however it ends.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::running::network;
use crate::common::{Home, Terminal};

/// A command of which the terminal's modes before and after are kept.
struct Kept<'a> {
    home: &'a Home,
    terminal: Terminal,
}

impl<'a> Kept<'a> {
    fn run(home: &'a Home, line: &[&str]) -> Self {
        Self::sized(home, line, 24)
    }

    fn sized(home: &'a Home, line: &[&str], rows: u16) -> Self {
        let aemp = home.command(line);
        let mut command = Command::new("sh");
        // Ctrl-C is for the command alone.
        let script = "trap : INT; stty -g >before; \"$@\"; code=$?; stty -g >after; exit $code";
        command.args(["-c", script, "sh"]);
        command.arg(aemp.get_program()).args(aemp.get_args());
        for (name, value) in aemp.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(home.path("."));
        let terminal = Terminal::run(home, &command, (100, rows));
        Self { home, terminal }
    }

    /// The command's process.
    fn process(&self) -> String {
        let shell = self.terminal.process();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        children.unwrap().trim().to_owned()
    }

    /// Sends the command a signal.
    fn signal(&self, name: &str) {
        let id = self.process();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the command's end, and gives its exit code. The terminal is as it was.
    fn ended(&self) -> i32 {
        let code = self.terminal.ended();
        assert_eq!(self.home.read("after"), self.home.read("before"));
        let flags = "#{cursor_flag} #{alternate_on} #{keypad_flag} #{wrap_flag} #{mouse_any_flag}";
        assert_eq!(self.terminal.flags(flags), "1 0 0 1 0");
        code
    }
}

const JOINED: &str = "\"help\" lists the commands, \"exit\" or Ctrl-D leaves";
const PROMPT: &str = "\naemp>";

/// Whether an empty line is edited. Keys that come before that may be lost with the line of before.
fn is_empty(screen: &str) -> bool {
    screen.trim_end().ends_with(PROMPT)
}

#[test]
#[ignore = "needs tmux"]
fn the_shell_is_left_by_exit_and_quit_and_ctrl_d() {
    let (home, _nodes) = network();
    for leave in ["exit", "quit", "C-d"] {
        let shell = Kept::run(&home, &["shell"]);
        shell.terminal.shows(JOINED);
        shell.terminal.shows(PROMPT);
        match leave {
            "C-d" => shell.terminal.press(&[leave]),
            word => shell.terminal.enter(word),
        }
        assert_eq!(shell.ended(), 0, "{leave}");
    }
}

#[test]
#[ignore = "needs tmux"]
fn signals_end_the_shell_and_leave_the_terminal_as_it_was() {
    let (home, _nodes) = network();
    for signal in ["-TERM", "-HUP"] {
        // While a line is typed.
        let shell = Kept::run(&home, &["shell"]);
        shell.terminal.shows(PROMPT);
        shell.terminal.write("call wor");
        shell.terminal.shows("aemp> call wor");
        shell.signal(signal);
        assert_eq!(shell.ended(), 0, "{signal}");
        // While a command waits.
        let shell = Kept::run(&home, &["--timeout", "3600", "shell"]);
        shell.terminal.shows(PROMPT);
        shell.terminal.enter("call worker devnull");
        shell.terminal.shows("\nwaiting up to ");
        shell.signal(signal);
        assert_eq!(shell.ended(), 0, "{signal}");
    }
    // Ctrl-C gives up what is typed and what waits, and leaves the rest to exit.
    let shell = Kept::run(&home, &["--timeout", "3600", "shell"]);
    shell.terminal.shows(PROMPT);
    shell.terminal.write("call wor");
    shell.terminal.shows("aemp> call wor");
    shell.terminal.press(&["C-c"]);
    shell.terminal.wait("an empty line", is_empty);
    shell.terminal.enter("call worker devnull");
    shell.terminal.shows("\nwaiting up to ");
    shell.terminal.press(&["C-c"]);
    shell.terminal.shows("hint: given up\n");
    shell.terminal.wait("an empty line", is_empty);
    shell.terminal.enter("exit");
    assert_eq!(shell.ended(), 0);
}

#[test]
#[ignore = "needs tmux"]
fn signals_end_the_live_view_and_leave_the_terminal_as_it_was() {
    let (home, _nodes) = network();
    for signal in ["-TERM", "-HUP", "-INT", "C-c"] {
        let top = Kept::run(&home, &["top", "seed"]);
        top.terminal.shows("q quit");
        match signal {
            "C-c" => top.terminal.press(&[signal]),
            signal => top.signal(signal),
        }
        assert_eq!(top.ended(), 0, "{signal}");
    }
}

#[test]
#[ignore = "needs tmux"]
fn what_loses_its_terminal_ends() {
    let (home, _nodes) = network();
    let lines: [(&[&str], &str); 3] = [
        (&["shell"], PROMPT),
        (&["top", "seed"], "q quit"),
        (&["setsecret"], "secret:"),
    ];
    for (line, shown) in lines {
        let kept = Kept::run(&home, line);
        kept.terminal.shows(shown);
        let state = format!("/proc/{}/stat", kept.process());
        drop(kept);
        // What has ended may still have to be waited for by whoever has it now.
        let runs = || fs::read_to_string(&state).is_ok_and(|state| !state.contains(") Z "));
        let deadline = Instant::now() + Duration::from_secs(30);
        while runs() {
            assert!(Instant::now() < deadline, "{line:?} goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
#[ignore = "needs tmux"]
fn a_secret_that_is_asked_for_is_not_shown_and_the_terminal_is_as_it_was() {
    let home = Home::new();
    home.write("config", "{}");
    let ask = || {
        let asked = Kept::run(&home, &["setsecret"]);
        asked.terminal.shows("secret:");
        asked.terminal.write("correct horse batterx");
        asked
    };
    for (end, code) in [("C-c", 130), ("-TERM", 130), ("-INT", 130), ("C-d", 2)] {
        let asked = ask();
        match end {
            "C-c" => asked.terminal.press(&[end]),
            "C-d" => asked.terminal.press(&["C-u", "C-d"]),
            signal => asked.signal(signal),
        }
        assert_eq!(asked.ended(), code, "{end}");
        assert!(!asked.terminal.screen().contains("horse"));
        assert_eq!(home.read("config"), "{}");
    }
    let asked = ask();
    asked.terminal.press(&["BSpace"]);
    asked.terminal.enter("y staple");
    assert_eq!(asked.ended(), 0);
    assert!(!asked.terminal.screen().contains("horse"));
    assert_eq!(
        home.file()["secret"].as_str(),
        Some("correct horse battery staple")
    );
}

#[test]
#[ignore = "needs tmux and less"]
fn signals_end_the_pager_with_the_command_and_leave_the_terminal_as_it_was() {
    let (home, _nodes) = network();
    let first_page = |screen: &str| screen.trim_end().ends_with(':');
    for signal in ["-TERM", "-HUP"] {
        let help = Kept::run(&home, &["help"]);
        help.terminal.wait("the first page", first_page);
        help.signal(signal);
        assert_eq!(help.ended(), 130, "{signal}");

        let shell = Kept::sized(&home, &["shell"], 10);
        shell.terminal.shows(PROMPT);
        shell.terminal.enter("help");
        shell.terminal.wait("the first page", first_page);
        shell.signal(signal);
        assert_eq!(shell.ended(), 0, "{signal}");
    }
}
