//! Commands that go on, in processes of their own: nodes that `aemp run` runs, and what follows something.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::Home;
use super::lines::Lines;

/// How long something may take that has to come.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const SECRET: &str = "correct horse battery staple";

/// A port that nobody listens at, and that is given to nobody who asks for any port.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A command that goes on.
pub(crate) struct Running {
    pub(crate) process: Child,
    pub(crate) lines: Lines,
    /// Where a node listens.
    pub(crate) address: String,
}

impl Running {
    /// Runs a node, and waits until it is ready.
    pub(crate) fn start(home: &Home, line: &[&str]) -> Self {
        let mut running = Self::follow(home, &[&["run"], line].concat());
        let ready = running.line(|line| line.starts_with("ready "));
        running.address = ready.rsplit(' ').next().unwrap().into();
        running
    }

    /// Runs any command that prints as it goes on.
    pub(crate) fn follow(home: &Home, line: &[&str]) -> Self {
        let mut command = home.command(line);
        command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .env("RUST_LOG", "off");
        let mut process = command.spawn().unwrap();
        let lines = Lines::of(process.stdout.take().unwrap());
        Self {
            process,
            lines,
            address: String::new(),
        }
    }

    /// Waits for its end, and gives its code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "it ends");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a line.
    pub(crate) fn line(&self, is_it: impl Fn(&str) -> bool) -> String {
        self.lines.wait("the line", LIMIT, |line| {
            is_it(line).then(|| line.to_owned())
        })
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &id])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Three nodes with an echo service each.
pub(crate) fn network() -> (Home, [Running; 3]) {
    let home = Home::with_secret();
    let services = r#"["aemp::echo"]"#;
    let bind = "127.0.0.1:0";
    home.aemp(&["services", services, "binds", bind])
        .succeeds_in_silence();
    let seed = Running::start(&home, &["nodeid", "seed"]);
    home.aemp(&["seeds", &seed.address]).succeeds_in_silence();
    home.aemp(&["profile", "worker", "nodeid", "worker"])
        .succeeds_in_silence();
    let json = [
        "profile",
        "json",
        "nodeid",
        "json",
        "framing_format",
        "json",
    ];
    home.aemp(&json).succeeds_in_silence();
    let worker = Running::start(&home, &["worker"]);
    let json = Running::start(&home, &["profile", "json"]);
    listed(&home, 3);
    (home, [seed, worker, json])
}

/// Waits until so many nodes with the service `aemp::echo` are in the directory. A node that is ready may not be yet.
pub(crate) fn listed(home: &Home, nodes: usize) {
    let until = Instant::now() + LIMIT;
    let all = || home.aemp(&["directory", "aemp_echo"]).succeeds().out;
    while all().lines().count() < nodes {
        assert!(Instant::now() < until, "the nodes find each other");
    }
}

/// Waits until a port of `node` has so many monitors on it.
pub(crate) fn watched(home: &Home, node: &str, port: &str, times: usize) {
    let until = Instant::now() + LIMIT;
    loop {
        let ps = home.aemp(&["ps", node]).succeeds().out;
        let row = ps.lines().find(|line| line.starts_with(port));
        let watchers = row.and_then(|row| row.split_whitespace().nth(3));
        if watchers == Some(&times.to_string()) {
            return;
        }
        assert!(Instant::now() < until, "{ps}");
    }
}
