//! The commands that the documentation shows, typed one after the other into one shell, and what each of them prints.
//!
//! In what is shown, `[..]` stands for anything within a line, and alone in a line for any lines.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use aemp::profile::{ConfigFile, Profiles};
use aemp::tap::TapLimits;
use aemp::{Context, Inspection, routes};
use common::Home;
use common::lines::Lines;
use common::running::{LIMIT, free_port};

/// What the shell says behind each command.
const END: &str = "-- end of output --";

/// A shell, which takes its background jobs along.
struct Shell {
    process: Child,
    lines: Lines,
}

impl Shell {
    fn new(home: &Home) -> Self {
        let aemp = home.command(&[]);
        let folder = Path::new(env!("CARGO_BIN_EXE_aemp")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut shell = std::process::Command::new("bash");
        for (name, value) in aemp.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("RUST_LOG", "off")
            .current_dir(home.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = shell.spawn().unwrap();
        let lines = Lines::of(process.stdout.take().unwrap());
        let mut shell = Self { process, lines };
        shell.type_in("exec 2>&1; trap 'kill $(jobs -p)' EXIT");
        shell
    }

    fn type_in(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    fn next(&self, after: &str) -> String {
        let what = format!("another line of {after}");
        self.lines.wait(&what, LIMIT, |line| Some(line.to_owned()))
    }

    /// Runs a command, and gives what it prints: of one in the background the first line.
    fn run(&mut self, command: &str) -> Vec<String> {
        self.type_in(command);
        if command.ends_with('&') {
            return vec![self.next(command)];
        }
        self.type_in(&format!("echo '{END}'"));
        let lines = std::iter::from_fn(|| Some(self.next(command)));
        lines.take_while(|line| line != END).collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Its trap ends the nodes.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Whether a line is as it is shown.
fn is_like(line: &str, shown: &str) -> bool {
    let parts: Vec<&str> = shown.split("[..]").collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return line == shown;
    }
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    for part in &parts[1..parts.len() - 1] {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn are_like(lines: &[String], shown: &[&str]) -> bool {
    match (lines, shown) {
        (_, ["[..]", shown @ ..]) => {
            (0..=lines.len()).any(|count| are_like(&lines[count..], shown))
        }
        ([], []) => true,
        ([line, lines @ ..], [first, shown @ ..]) => is_like(line, first) && are_like(lines, shown),
        _ => false,
    }
}

/// A page whose commands are typed into one shell.
struct Page {
    /// What it shows as typed, with what that prints, at ports that are free on this machine.
    sessions: Vec<String>,
    home: Home,
    shell: Shell,
}

impl Page {
    fn open(page: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(page);
        let page = std::fs::read_to_string(path).unwrap();
        let page = page.replace("4040", &free_port().to_string());
        let page = page.replace("8080", &free_port().to_string());
        let sessions = page.split("```console\n").skip(1);
        let home = Home::new();
        Self {
            sessions: sessions
                .map(|session| session.split("```").next().unwrap().to_owned())
                .collect(),
            shell: Shell::new(&home),
            home,
        }
    }

    /// Types the commands of one session, and compares. How many that were.
    fn follow(&mut self, session: usize) -> usize {
        let mut commands = 0;
        let session = &self.sessions[session];
        for step in session.split("$ ").filter(|step| !step.is_empty()) {
            let mut lines = step.lines();
            let command = lines.next().unwrap();
            let shown: Vec<&str> = lines.collect();
            let until = Instant::now() + LIMIT;
            loop {
                let printed = self.shell.run(command);
                if are_like(&printed, &shown) {
                    break;
                }
                // Nodes that have just started need a moment to find each other.
                let again = !command.ends_with('&') && Instant::now() < until;
                assert!(again, "{command}\nprints {printed:#?}\nand not {shown:#?}");
            }
            commands += 1;
        }
        commands
    }
}

/// Types all that a page shows as typed, and compares. How many commands that were.
fn follow(page: &str) -> usize {
    let mut page = Page::open(page);
    (0..page.sessions.len())
        .map(|session| page.follow(session))
        .sum()
}

#[test]
fn the_guide_shows_what_its_commands_print() {
    assert_eq!(follow("guide/5-production.md"), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_shows_what_the_command_sees_of_a_program() {
    let mut page = Page::open("guide/7-looking-inside.md");
    let mut commands = page.follow(0);
    // The program of the page.
    let file = ConfigFile::from_path(page.home.path("config"));
    let node = aemp::node().profiles(Profiles(file)).profile("shop");
    let node = node.start().await.unwrap();
    let mut sold = 0;
    let till = routes().answer("sell", move |_: &mut Context<'_>, (what,): (String,)| {
        sold += 1;
        (what, sold)
    });
    node.port_of_named("till", till).unwrap();
    node.allow_inspection(Inspection::new().taps(TapLimits::new().size(1024)));
    commands += page.follow(1);
    assert_eq!(commands, 7);
}

#[test]
fn the_page_about_operating_shows_what_its_commands_print() {
    assert_eq!(follow("operating.md"), 34);
}

#[test]
fn the_page_about_deploying_makes_its_configurations_by_its_commands() {
    assert_eq!(follow("deploying.md"), 9);
}

#[test]
fn no_example_takes_the_port_of_the_commands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains("aemp profile seed nodeid seed binds 127.0.0.1:4040"));
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let example = std::fs::read_to_string(&path).unwrap();
        assert!(!example.contains(":4040"), "{}", path.display());
        if path.ends_with("ping_pong.rs") || path.ends_with("account.rs") {
            let shown = format!("```rust\n{example}```");
            assert!(readme.contains(&shown), "the README has its programs");
        }
    }
}
