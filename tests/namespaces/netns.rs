//! `Namespaces`: hosts of a test's own, each a network namespace, and processes on them.
//!
//! Everything is gone when it is dropped. What runs on the hosts is this test binary again.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::lines::Lines;

/// Tells a process what to be.
const PART: &str = "AEMP_NETWORK_PART";

/// The PEM of the network; empty if it has none.
pub(crate) const CERTIFICATE: &str = "AEMP_NETWORK_CERTIFICATE";

/// How long a host may take to say what is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Namespaces {
    name: String,
    hosts: Vec<String>,
}

/// What this process is to be, as words.
pub(crate) fn part() -> Option<Vec<String>> {
    let part = std::env::var(PART).ok()?;
    Some(part.split_whitespace().map(String::from).collect())
}

impl Namespaces {
    /// No hosts yet. Their namespaces have names of their own that begin with `name`.
    pub(crate) fn new(name: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("{name}{}-{made}-", std::process::id()),
            hosts: Vec::new(),
        }
    }

    /// The name of the namespace of a host.
    pub(crate) fn of(&self, host: &str) -> String {
        format!("{}{host}", self.name)
    }

    pub(crate) fn add(&mut self, host: &str) {
        self.hosts.push(host.into());
        run(&["ip", "netns", "add", &self.of(host)], "");
        self.ip(host, "link set lo up");
    }

    /// Runs `ip` on a host.
    pub(crate) fn ip(&self, host: &str, arguments: &str) {
        let netns = self.of(host);
        let all = ["ip", "-n", &netns].into_iter();
        run(
            &all.chain(arguments.split_whitespace()).collect::<Vec<_>>(),
            "",
        );
    }

    /// Runs a program on a host, which reads `input`.
    pub(crate) fn run(&self, host: &str, program: &str, input: &str) {
        let netns = self.of(host);
        let all = ["ip", "netns", "exec", &netns].into_iter();
        run(
            &all.chain(program.split_whitespace()).collect::<Vec<_>>(),
            input,
        );
    }

    /// Lets a process play its part on a host: the test `test`, which finds the words of [`part`], and a certificate in the
    /// variable [`CERTIFICATE`].
    pub(crate) fn start(&self, host: &str, test: &str, part: &str, certificate: &str) -> Host {
        let mut process = Command::new("ip")
            .args(["netns", "exec", &self.of(host)])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", test])
            .env(PART, part)
            .env(CERTIFICATE, certificate)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let heard = Lines::of(process.stdout.take().unwrap());
        Host {
            name: host.into(),
            process,
            heard,
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for host in &self.hosts {
            let netns = self.of(host);
            let _ = Command::new("ip").args(["netns", "del", &netns]).output();
        }
    }
}

/// A host with its process, which is killed when this is dropped.
pub(crate) struct Host {
    name: String,
    process: Child,
    heard: Lines,
}

impl Host {
    /// Waits for a line, and returns it; the harness prints to the same ones.
    pub(crate) fn hear_until(&self, is_it: impl Fn(&str) -> bool) -> String {
        let heard = |line: &str| {
            let (_, line) = line.split_once("@ ")?;
            is_it(line).then(|| line.to_owned())
        };
        self.heard
            .wait(&format!("what {} is to say", self.name), DEADLINE, heard)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(command: &[&str], input: &str) {
    let mut process = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = process.stdin.take().unwrap();
    // A program that reads nothing may have ended.
    let _ = to.write_all(input.as_bytes());
    drop(to);
    let done = process.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {error}");
}
