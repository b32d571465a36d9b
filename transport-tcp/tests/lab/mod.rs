//! `Lab`: a small network of namespaces, two hosts with a router between them, and programs that run there.
//!
//! ```text
//! host a  10.77.1.2, fd77:1::2  ---  router  ---  10.77.2.2, fd77:2::2  host b
//! ```
//!
//! Everything is removed when the lab is dropped. The programs are this test binary in the role of a [`Part`].

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The environment variable that selects the part of the binary.
pub(crate) const PART: &str = "AEMP_TCP_PART";

/// Time limit for the next word of a part.
const DEADLINE: Duration = Duration::from_secs(40);

pub(crate) struct Lab {
    name: String,
}

/// The places in a lab.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    A,
    Router,
    B,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static LABS: AtomicUsize = AtomicUsize::new(0);
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            name: format!("aemp{}x{number}", std::process::id()),
        };
        for at in [At::A, At::Router, At::B] {
            run("ip", &["netns", "add", &lab.netns(at)]);
            lab.ip(at, "link set lo up");
            // No duplicate address detection: IPv6 addresses are usable at once.
            lab.sysctl(at, "net.ipv6.conf.default.accept_dad=0");
        }
        lab.sysctl(At::Router, "net.ipv4.ip_forward=1");
        lab.sysctl(At::Router, "net.ipv6.conf.all.forwarding=1");
        for (host, net) in [(At::A, 1), (At::B, 2)] {
            let peer = lab.netns(At::Router);
            lab.ip(
                host,
                &format!("link add eth type veth peer name d{net} netns {peer}"),
            );
            for (at, link, last) in [
                (host, String::from("eth"), 2),
                (At::Router, format!("d{net}"), 1),
            ] {
                lab.ip(at, &format!("address add 10.77.{net}.{last}/24 dev {link}"));
                lab.ip(
                    at,
                    &format!("address add fd77:{net}::{last}/64 dev {link} nodad"),
                );
                lab.ip(at, &format!("link set {link} up"));
            }
            lab.ip(host, &format!("route add default via 10.77.{net}.1"));
            lab.ip(host, &format!("route add default via fd77:{net}::1"));
            lab.await_link(host, "eth");
            lab.await_link(At::Router, &format!("d{net}"));
        }
        lab
    }

    /// Makes the router silently drop all packets between the hosts.
    pub(crate) fn cut(&self) {
        for to in [
            "10.77.1.2/32",
            "10.77.2.2/32",
            "fd77:1::2/128",
            "fd77:2::2/128",
        ] {
            self.ip(At::Router, &format!("route add blackhole {to}"));
        }
    }

    /// Sets `/etc/hosts` for the programs that run at `at`.
    pub(crate) fn hosts(&self, at: At, text: &str) {
        std::fs::create_dir_all(self.etc(at)).unwrap();
        std::fs::write(self.etc(at).join("hosts"), text).unwrap();
    }

    /// Runs `ip ARGUMENTS` at `at`.
    pub(crate) fn ip(&self, at: At, arguments: &str) {
        let netns = self.netns(at);
        let all: Vec<_> = ["-n", &netns]
            .into_iter()
            .chain(arguments.split_whitespace())
            .collect();
        run("ip", &all);
    }

    /// Starts a program in the role of a part at `at`.
    pub(crate) fn start(&self, at: At, part: &str) -> Part {
        let netns = self.netns(at);
        let binary = std::env::current_exe().unwrap();
        let mut child = Command::new("ip")
            .args(["netns", "exec", &netns])
            .arg(binary)
            .args(["--ignored", "--exact", "--nocapture", "play_a_part"])
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (words, heard) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // The test harness prints to the same line.
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, word)) = line.split_once("@ ") {
                    let _ = words.send(word.to_owned());
                }
            }
        });
        Part {
            name: format!("{part:?} at {at:?}"),
            input: child.stdin.take().unwrap(),
            heard,
            child,
        }
    }

    /// Waits until the interface carries packets.
    fn await_link(&self, at: At, link: &str) {
        let until = Instant::now() + DEADLINE;
        let netns = self.netns(at);
        while !run("ip", &["-n", &netns, "link", "show", link]).contains("state UP") {
            assert!(Instant::now() < until, "{link} at {at:?} does not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn sysctl(&self, at: At, setting: &str) {
        run(
            "ip",
            &["netns", "exec", &self.netns(at), "sysctl", "-qw", setting],
        );
    }

    fn netns(&self, at: At) -> String {
        format!("{}{at:?}", self.name)
    }

    /// The folder that `ip netns exec` mounts over `/etc`.
    fn etc(&self, at: At) -> PathBuf {
        PathBuf::from("/etc/netns").join(self.netns(at))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for at in [At::A, At::Router, At::B] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.netns(at)])
                .status();
            let _ = std::fs::remove_dir_all(self.etc(at));
        }
    }
}

/// A running program of a part. It is killed when this is dropped.
pub(crate) struct Part {
    name: String,
    child: Child,
    input: ChildStdin,
    heard: Receiver<String>,
}

impl Part {
    /// The rest of its next line, which must begin with `expected`.
    pub(crate) fn hear(&self, expected: &str) -> String {
        let word = self.heard.recv_timeout(DEADLINE);
        let word = word.unwrap_or_else(|_| panic!("{} does not say {expected:?}", self.name));
        let rest = word.strip_prefix(expected);
        let rest = rest.unwrap_or_else(|| panic!("{} says {word:?}, not {expected:?}", self.name));
        rest.trim().to_owned()
    }

    /// Whether it prints nothing for `time`.
    pub(crate) fn silent_for(&self, time: Duration) -> bool {
        self.heard.recv_timeout(time).is_err()
    }

    pub(crate) fn tell(&mut self, word: &str) {
        writeln!(self.input, "{word}").unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints a line for the test that has started this part.
pub(crate) fn say(word: impl Display) {
    println!("@ {word}");
}

/// Runs a program that must succeed, and returns its output.
fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
