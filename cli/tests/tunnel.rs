//! A node behind a tunnel of SSH: two hosts, with a real sshd on the one where the node listens on loopback, and `ssh -L` on the other
//! (docs/deploying.md). As root, with Debian's openssh-server and openssh-client.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tests/namespaces/netns.rs"]
#[allow(dead_code, reason = "what runs on these hosts is the command, and ssh")]
mod netns;

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::lines;
use common::running::LIMIT;
use common::{Ended, Home};
use netns::Namespaces;

/// Where sshd listens.
const SERVER: &str = "10.82.0.2";

/// Runs sshd as a system does that has it: with a user of its own, and its folder under /run. `$1` is the table of users, the rest
/// its arguments.
const SSHD: &str = r#"
set -e
mount --bind "$1" /etc/passwd
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
shift
exec "$(command -v sshd)" "$@"
"#;

/// A process that ends with its owner.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Scene {
    hosts: Namespaces,
    home: Home,
}

impl Scene {
    fn new() -> Self {
        let mut hosts = Namespaces::new("aempt");
        for host in ["server", "here"] {
            hosts.add(host);
        }
        let link = format!(
            "link add eth type veth peer name eth netns {}",
            hosts.of("here")
        );
        hosts.ip("server", &link);
        for (host, address) in [("server", SERVER), ("here", "10.82.0.1")] {
            hosts.ip(host, &format!("address add {address}/24 dev eth"));
            hosts.ip(host, "link set eth up");
        }
        let home = Home::with_secret();
        Self { hosts, home }
    }

    /// A program on a host.
    fn on(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.hosts.of(host), program])
            .current_dir(self.home.path(""))
            .env("HOME", self.home.path(""))
            .env("AEMP_RC", self.home.path("config"))
            .env("RUST_LOG", "off")
            .stdin(Stdio::null());
        command
    }

    /// A command line of the command here.
    fn aemp(&self, line: &[&str]) -> Ended {
        Home::ended(self.on("here", env!("CARGO_BIN_EXE_aemp")).args(line))
    }

    /// Starts sshd on the server, and a tunnel here to what listens at this address there.
    fn tunnel(&self, at: &str) -> [Kept; 2] {
        for key in ["host", "own"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(self.home.path(key))
                .status();
            assert!(made.unwrap().success());
        }
        let path = |name: &str| self.home.path(name).display().to_string();
        let config = format!(
            "ListenAddress {SERVER}:22\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n",
            path("host"),
            path("own.pub"),
        );
        let config = self.home.write("sshd_config", &config);
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let users = self.home.write(
            "passwd",
            &format!("{users}sshd:x:64000:65534::/run/sshd:/usr/sbin/nologin\n"),
        );
        std::fs::set_permissions(&users, PermissionsExt::from_mode(0o644)).unwrap();
        let mut sshd = self.on("server", "unshare");
        sshd.args([
            "--mount", "sh", "-c", SSHD, "sh", &users, "-D", "-e", "-f", &config,
        ]);
        let sshd = Kept(sshd.stderr(Stdio::null()).spawn().unwrap());
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut ssh = self.on("here", "ssh");
            ssh.args([
                "-N",
                "-F",
                "none",
                "-i",
                &path("own"),
                "-L",
                &format!("{at}:{at}"),
            ])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args(["-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"])
            .arg(format!("root@{SERVER}"));
            let mut ssh = Kept(ssh.stderr(Stdio::null()).spawn().unwrap());
            // It ends where sshd does not listen yet, and stays where the tunnel is there.
            while ssh.0.try_wait().unwrap().is_none() {
                assert!(Instant::now() < deadline, "there is no tunnel");
                let probe = format!("exec 3<>/dev/tcp/{}", at.replace(':', "/"));
                let up = self
                    .on("here", "bash")
                    .args(["-c", &probe])
                    .stderr(Stdio::null())
                    .status();
                if up.unwrap().success() {
                    return [sshd, ssh];
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(Instant::now() < deadline, "ssh does not get in");
        }
    }
}

#[test]
#[ignore = "needs root, namespaces, sshd and ssh"]
fn through_a_tunnel_of_ssh_a_node_is_reached_without_the_check_and_doctor_says_what_is_between() {
    let scene = Scene::new();
    let at = "127.0.0.1:4040";
    let profile = |words: &[&str]| {
        scene
            .home
            .aemp(&[&["profile"], words].concat())
            .succeeds_in_silence()
    };
    profile(&[
        "seed",
        "nodeid",
        "seed",
        "binds",
        at,
        "services",
        "aemp::echo",
    ]);
    profile(&["here", "nodeid", "here", "binds", "[]", "seeds", at]);
    let mut seed = scene.on("server", env!("CARGO_BIN_EXE_aemp"));
    let mut seed = Kept(
        seed.args(["run", "seed"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let ready = lines::Lines::of(seed.0.stdout.take().unwrap());
    ready.wait("the seed is ready", LIMIT, |line| {
        (line == format!("ready seed {at}")).then_some(())
    });

    let alone = scene
        .aemp(&["profile", "here", "doctor"])
        .succeeds_with(1)
        .out;
    assert!(
        alone.contains("nothing listens on port 4040 of 127.0.0.1"),
        "{alone}"
    );
    let _tunnel = scene.tunnel(at);
    let between = scene
        .aemp(&["profile", "here", "doctor"])
        .succeeds_with(1)
        .out;
    assert!(
        between.contains(
            "a proxy, a tunnel or a router that translates addresses passes the connection on"
        ),
        "{between}"
    );

    for words in [["check_peeraddr", "off"], ["advertise", "127.0.0.1:1"]] {
        profile(&["here", words[0], words[1]]);
        let found = scene.aemp(&["profile", "here", "doctor"]).succeeds().out;
        assert!(found.contains("lets us in: node seed"), "{found}");
        let echoed = scene
            .aemp(&["profile", "here", "cal", "seed#echo", "hi"])
            .succeeds()
            .out;
        assert_eq!(echoed, "\"hi\"\n");
        profile(&["here", &format!("del{}", words[0])]);
    }
}
