//! The command and its nodes print no secret, at trace level either, whichever secret they have and are given.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tests/common/forms.rs"]
mod forms;

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::Home;
use common::running::{LIMIT, SECRET};
use forms::assert_hidden;

/// Accepted as well.
const ACCEPTED: &str = "zebra crossing ahead, slow down";

/// That of another network.
const WRONG: &str = "incorrect donkey battery clip";

const SECRETS: [&str; 3] = [SECRET, ACCEPTED, WRONG];

/// A node in a process of its own that logs everything to a file.
struct Node {
    process: Child,
    address: String,
}

impl Node {
    fn start(home: &Home, name: &str, line: &[&str]) -> Self {
        let file = File::create(home.path(name)).unwrap();
        let mut command = home.command(&[&["run", name], line].concat());
        command.env("RUST_LOG", "trace").stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let mut node = Self {
            process: command.spawn().unwrap(),
            address: String::new(),
        };
        let until = Instant::now() + LIMIT;
        loop {
            let said = home.read(name);
            if let Some(ready) = said.lines().find(|line| line.starts_with("ready ")) {
                node.address = ready.rsplit(' ').next().unwrap().into();
                return node;
            }
            assert!(Instant::now() < until, "{said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn assert_all_hidden(text: &str) {
    for secret in SECRETS {
        assert_hidden(secret, text);
    }
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let home = Home::new();
    let [right, accepted, wrong] = SECRETS.map(|secret| {
        let name = secret.split(' ').next().unwrap();
        home.write(&format!("{name}.secret"), secret)
    });
    let mut printed = String::new();
    let mut say = |line: &[&str]| {
        let ended = home.with(line, &[("RUST_LOG", "trace")], "");
        printed += &format!("{line:?}\n{}{}\n", ended.out, ended.err);
    };
    say(&[
        "--secret-file",
        &right,
        "setsecret",
        "setbinds",
        "127.0.0.1:*",
    ]);
    say(&["--secret-file", &accepted, "setsecret_accept"]);
    say(&["profile", "other", "--secret-file", &wrong, "setsecret"]);
    say(&["profile", "seed", "setnodeid", "seed"]);
    // Where none belongs, or too much of one.
    say(&["profile", "strict", "setmin_secret", "1000"]);
    say(&["showconfig", "strict"]);
    say(&["run", "strict"]);
    let seed = Node::start(&home, "seed", &["nodeid", "seed", "services", "aemp::echo"]);
    let stranger = Node::start(&home, "other", &["nodeid", "other", "seeds", &seed.address]);
    say(&["setseeds", &seed.address]);
    for profile in ["seed", "other"] {
        say(&["showprofile", profile]);
        say(&["showconfig", profile]);
        say(&["--json", "showconfig", profile]);
        say(&["profile", profile, "doctor"]);
        say(&["profile", profile, "explain", &seed.address]);
        say(&["profile", profile, "cal", "seed#echo", "hello"]);
        say(&["profile", profile, "snd", "seed#nobody", "hello"]);
    }
    say(&["--secret-file", &accepted, "cal", "seed#echo", "hello"]);
    say(&["--secret-file", &wrong, "cal", "seed#echo", "hello"]);
    drop((seed, stranger));
    for log in ["seed", "other"] {
        printed += &home.read(log);
    }
    // All of that was said, at that level.
    for part in ["TRACE", "did not prove itself", "\"***\"", "hello"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    // What is shown of the command lines themselves names files alone.
    assert_all_hidden(&printed);
}

#[test]
fn nothing_that_is_printed_shows_a_private_key() {
    let home = Home::new();
    home.aemp(&["binds", "127.0.0.1:0", "gencert"])
        .succeeds_in_silence();
    let pem = home.file()["cert"].as_str().unwrap().to_owned();
    let (key, certificates) = pem.split_once("-----END PRIVATE KEY-----").unwrap();
    let lines = key.lines().skip(1).collect::<Vec<_>>();
    // The key of another certificate, and one that is cut: the command says why it takes neither.
    let mixed = key.replace(lines[1], lines[0]);
    let mixed = home.write(
        "mixed.pem",
        &(mixed + "-----END PRIVATE KEY-----" + certificates),
    );
    let cut = home.write("cut.pem", &pem[..pem.len() / 4]);
    home.aemp(&["profile", "seed", "setnodeid", "seed"])
        .succeeds_in_silence();
    let seed = Node::start(&home, "seed", &["services", "aemp::echo"]);
    let mut printed = String::new();
    for line in [
        &["setcert", &mixed][..],
        &["setcert", &cut],
        &["setseeds", &seed.address],
        &["showprofile", "seed"],
        &["showconfig", "seed"],
        &["--json", "showconfig", "seed"],
        &["doctor"],
        &["explain", &seed.address],
        &["cal", "seed#echo", "hello"],
        &["cal", "seed", "aemp::stats"],
    ] {
        let ended = home.with(line, &[("RUST_LOG", "trace")], "");
        printed += &format!("{line:?}\n{}{}\n", ended.out, ended.err);
    }
    drop(seed);
    printed += &home.read("seed");
    for part in ["node up", "\"***\"", "\"hello\"", "TLS13_", "the PEM"] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    for line in lines {
        assert_hidden(line, &printed);
    }
}
