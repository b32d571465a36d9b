//! The chat example as people use it: two terminals, and Ctrl-C.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::lines::Lines;

/// Built beside the tests, as `cargo test` does with all examples.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().and_then(|deps| deps.parent()).unwrap();
    folder.join("examples").join("chat")
}

struct Terminal {
    process: Child,
    keys: ChildStdin,
    lines: Lines,
}

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(program())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Lines::of(process.stdout.take().unwrap());
        let keys = process.stdin.take().unwrap();
        Self {
            process,
            keys,
            lines,
        }
    }

    /// Waits for a line that begins so, and gives the rest of it.
    fn line(&self, begins: &str) -> String {
        let rest = |line: &str| line.strip_prefix(begins).map(str::to_owned);
        self.lines.wait(begins, Duration::from_secs(60), rest)
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn two_people_meet_talk_and_leave() {
    let mut ann = Terminal::start(&["ann", "--listen", "127.0.0.1:0"]);
    let at = ann.line("* listening on ");
    let mut bob = Terminal::start(&["bob", "--seed", &at]);
    ann.line("* bob is in lobby");
    bob.line("* ann is in lobby");
    ann.types("hello, bob");
    assert_eq!(bob.line("<ann> "), "hello, bob");
    bob.types("/who");
    assert_eq!(bob.line("* in lobby: ").split(", ").count(), 2);
    bob.types("/join kitchen");
    ann.line("* bob has left lobby");
    bob.types("/join lobby");
    ann.line("* bob is in lobby");

    let id = bob.process.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    bob.line("* bye");
    assert!(bob.process.wait().unwrap().success());
    ann.line("* bob has left lobby");
    ann.types("/quit");
    ann.line("* bye");
    assert!(ann.process.wait().unwrap().success());
}
