//! What a supervisor such as systemd is told, at a real `NOTIFY_SOCKET`.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::VecDeque;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::Home;
use common::lines::Lines;
use common::running::{LIMIT, Running, free_port};

/// The end of the supervisor.
struct Supervisor {
    socket: UnixDatagram,
    said: VecDeque<String>,
}

impl Supervisor {
    fn new(home: &Home) -> Self {
        let socket = UnixDatagram::bind(home.path("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket,
            said: VecDeque::new(),
        }
    }

    /// What was said since it was asked last.
    fn heard(&mut self) -> Vec<String> {
        let mut message = [0; 4096];
        while let Ok(len) = self.socket.recv(&mut message) {
            let text = String::from_utf8(message[..len].to_vec()).unwrap();
            self.said.extend(text.lines().map(str::to_owned));
        }
        self.said.drain(..).collect()
    }

    /// Waits until `word` is said, and gives what was said before it.
    fn until(&mut self, word: &str) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let mut before = Vec::new();
        loop {
            for said in self.heard() {
                if said == word {
                    return before;
                }
                before.push(said);
            }
            assert!(Instant::now() < deadline, "{word} and not only {before:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs a node as systemd does, which gives it the variables of a unit with `WatchdogSec`.
fn run(home: &Home, line: &[&str], watchdog: Duration) -> Running {
    let aemp = home.command(&[&["run"], line].concat());
    let mut command = std::process::Command::new("sh");
    for (name, value) in aemp.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(["-c", "export WATCHDOG_PID=$$; exec \"$@\"", "sh"])
        .arg(aemp.get_program())
        .args(aemp.get_args())
        .env("NOTIFY_SOCKET", home.path("notify"))
        .env("RUST_LOG", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if !watchdog.is_zero() {
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
    let mut process = command.spawn().unwrap();
    let lines = Lines::of(process.stdout.take().unwrap());
    Running {
        process,
        lines,
        address: String::new(),
    }
}

fn home() -> Home {
    let home = Home::with_secret();
    home.aemp(&["binds", "127.0.0.1:0", "nodeid", "n"])
        .succeeds_in_silence();
    home
}

#[test]
fn a_supervisor_hears_that_a_node_is_ready_lives_and_stops() {
    let home = home();
    let mut supervisor = Supervisor::new(&home);
    let mut node = run(&home, &["seeds", "127.0.0.1:1"], Duration::from_millis(100));
    let before = supervisor.until("READY=1");
    assert!(before.iter().all(|said| said == "WATCHDOG=1"), "{before:?}");
    for _ in 0..3 {
        supervisor.until("WATCHDOG=1");
    }
    // One that starts anew in the same process does not stop, since what stops is killed if it takes too long.
    let ready = node.line(|line| line.starts_with("ready n "));
    let at = ready.rsplit(' ').next().unwrap();
    home.aemp(&["seeds", at, "restart", "n"])
        .succeeds_in_silence();
    let before = supervisor.until("READY=1");
    assert!(before.iter().all(|said| said == "WATCHDOG=1"), "{before:?}");
    supervisor.until("WATCHDOG=1");
    node.signal("-TERM");
    let before = supervisor.until("STOPPING=1");
    assert!(before.iter().all(|said| said == "WATCHDOG=1"), "{before:?}");
    assert_eq!(node.end(), Some(0));
    // Without a watchdog nobody hears of life.
    let node = run(&home, &[], Duration::ZERO);
    supervisor.until("READY=1");
    node.signal("-TERM");
    assert_eq!(supervisor.until("STOPPING=1"), [""; 0]);
}

#[test]
fn a_node_that_is_ready_when_it_has_joined_says_so_no_sooner() {
    let home = home();
    let mut supervisor = Supervisor::new(&home);
    let seed = format!("127.0.0.1:{}", free_port());
    home.aemp(&["ready_when", "joined"]).succeeds_in_silence();
    let node = run(&home, &["seeds", &seed], Duration::from_millis(100));
    // It runs, has tried its seed, and is not ready.
    for _ in 0..10 {
        supervisor.until("WATCHDOG=1");
    }
    let listening = Running::start(
        &home,
        &["nodeid", "other", "ready_when", "listening", "seeds", &seed],
    );
    assert!(supervisor.heard().iter().all(|said| said == "WATCHDOG=1"));
    drop(listening);
    let _seed = Running::start(&home, &["nodeid", "seed", "binds", &seed]);
    supervisor.until("READY=1");
    node.line(|line| line.starts_with("ready n "));
}
