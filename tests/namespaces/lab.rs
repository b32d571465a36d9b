//! `Lab`: six hosts in namespaces, three at each of two switches, and a cable between the switches.
//!
//! Everything is gone when the lab is dropped. What runs on the hosts is this test binary again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::lines::Lines;

const PART: &str = "AEMP_NETWORK_PART";

/// How long a host may take to say what is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Lab {
    name: String,
}

/// A host's address: its side, and its number there.
pub(crate) fn address(host: &str) -> String {
    let (side, number) = host.split_at(1);
    let side = if side == "l" { 1 } else { 2 };
    format!("10.78.{side}.1{number}")
}

/// Which part this process is to play: the host's name and its codecs.
pub(crate) fn part() -> Option<(String, String)> {
    let part = std::env::var(PART).ok()?;
    let (name, codecs) = part.split_once(' ')?;
    Some((name.into(), codecs.into()))
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self {
            name: format!("aempn{}", std::process::id()),
        };
        lab.netns("switch");
        for side in ["l", "r"] {
            lab.ip("switch", &format!("link add switch-{side} type bridge"));
            lab.ip("switch", &format!("link set switch-{side} up"));
            for number in 0..3 {
                let host = format!("{side}{number}");
                lab.netns(&host);
                let there = format!("{}switch", lab.name);
                lab.ip(
                    &host,
                    &format!("link add eth type veth peer name {host} netns {there}"),
                );
                lab.ip(
                    "switch",
                    &format!("link set {host} master switch-{side} up"),
                );
                lab.ip(&host, &format!("address add {}/16 dev eth", address(&host)));
                lab.ip(&host, "link set eth up");
            }
        }
        lab.ip("switch", "link add cable type veth peer name elbac");
        lab.ip("switch", "link set cable master switch-l up");
        lab.ip("switch", "link set elbac master switch-r up");
        lab
    }

    /// Pulls the cable between the switches.
    pub(crate) fn cut(&self) {
        self.ip("switch", "link set cable down");
    }

    pub(crate) fn mend(&self) {
        self.ip("switch", "link set cable up");
    }

    /// Lets a process play its part on a host.
    pub(crate) fn start(&self, host: &str, codecs: &str) -> Host {
        let mut process = Command::new("ip")
            .args(["netns", "exec", &format!("{}{host}", self.name)])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "play_a_part"])
            .env(PART, format!("{host} {codecs}"))
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

    fn netns(&self, at: &str) {
        run(&["netns", "add", &format!("{}{at}", self.name)]);
        self.ip(at, "link set lo up");
    }

    fn ip(&self, at: &str, arguments: &str) {
        let netns = format!("{}{at}", self.name);
        let all = ["-n", &netns].into_iter();
        run(&all.chain(arguments.split_whitespace()).collect::<Vec<_>>());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for at in ["switch", "l0", "l1", "l2", "r0", "r1", "r2"] {
            let netns = format!("{}{at}", self.name);
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
    /// Waits for a line; the harness prints to the same ones.
    pub(crate) fn hear_until(&self, is_it: impl Fn(&str) -> bool) {
        let heard = |line: &str| {
            line.split_once("@ ")
                .filter(|(_, line)| is_it(line))
                .map(drop)
        };
        self.heard
            .wait(&format!("what {} is to say", self.name), DEADLINE, heard);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {arguments:?}: {error}");
}
