//! `Lab`: containers as far as the kernel makes them, without an engine: a network of hosts, and on each a process that is the first
//! of its namespaces, is not root, has no capabilities, and sees a read-only root with its own binary, a table of names and a secret.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::Home;
use crate::common::lines::Lines;
use crate::common::running::LIMIT;
use crate::netns::Namespaces;

/// Where the side of the engine, or of the kubelet, is.
const OUTSIDE: &str = "outside";

/// Makes the root of a container, and becomes its first process. `$1` is where the root is made, `$2` the table of names, `$3` the
/// secret and `$4` its place, `$5` the binary, `$6` the user and group; the rest are its arguments.
const ENTER: &str = r#"
set -e
root=$1 hosts=$2 secret=$3 place=$4 binary=$5 user=$6
shift 6
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir -p "$root/etc" "$root$(dirname "$place")"
echo 'hosts: files' >"$root/etc/nsswitch.conf"
# A name can stand in several lines, as a name server would say.
echo 'multi on' >"$root/etc/host.conf"
for file in "$hosts:/etc/hosts" "$secret:$place" "$binary:/aemp"; do
    touch "$root${file##*:}"
    mount --bind "${file%%:*}" "$root${file##*:}"
done
# What a binary needs that is not static.
for library in $(ldd "$binary" | grep -o '/[^ ]*' || true); do
    mkdir -p "$root$(dirname "$library")"
    cp "$library" "$root$library"
done
mount -o remount,ro "$root"
exec env -i "AEMP_RC=$place" RUST_LOG=info "$(command -v setpriv)" --no-new-privs \
    "$(command -v chroot)" --userspec="$user" --groups= "$root" /aemp "$@"
"#;

/// Hosts of one network, and what their containers share.
pub(crate) struct Lab {
    hosts: Namespaces,
    home: Home,
    /// The table of names that all containers see.
    names: PathBuf,
}

/// A container. Killed when it is dropped.
pub(crate) struct Container {
    name: String,
    process: Child,
    /// What it prints.
    pub(crate) lines: Lines,
    place: String,
    user: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let names = home.path("hosts");
        std::fs::write(&names, "").unwrap();
        // Others than its owner have to get through.
        std::fs::set_permissions(home.path(""), PermissionsExt::from_mode(0o755)).unwrap();
        let mut hosts = Namespaces::new("aempc");
        hosts.add(OUTSIDE);
        hosts.ip(OUTSIDE, "link add lan type bridge");
        hosts.ip(OUTSIDE, "link set lan up");
        hosts.ip(OUTSIDE, "address add 10.81.0.1/24 dev lan");
        Self { hosts, home, names }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Replaces the table of names, each an address and what it is called.
    pub(crate) fn set_names(&self, names: &[(String, &str)]) {
        let lines = names
            .iter()
            .map(|(address, name)| format!("{address} {name}\n"));
        // The same file, which is mounted.
        std::fs::write(&self.names, lines.collect::<String>()).unwrap();
    }

    /// Adds a host, on which one container at a time can run.
    pub(crate) fn add_host(&mut self, name: &str, address: &str) {
        self.hosts.add(name);
        let there = self.hosts.of(OUTSIDE);
        let link = format!("link add eth type veth peer name {name} netns {there}");
        self.hosts.ip(name, &link);
        self.hosts
            .ip(OUTSIDE, &format!("link set {name} master lan up"));
        self.hosts
            .ip(name, &format!("address add {address}/24 dev eth"));
        self.hosts.ip(name, "link set eth up");
    }

    /// Gives a file to a user and a group, with this mode.
    pub(crate) fn own(&self, file: &Path, (user, group): (u32, u32), mode: u32) {
        chown(file, Some(user), Some(group)).unwrap();
        std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Starts a container on a host, with `secret` at `place`.
    pub(crate) fn start(
        &self,
        host: &str,
        user: &str,
        (secret, place): (&Path, &str),
        arguments: &[String],
    ) -> Container {
        let root = self.home.path(&format!("root-{host}"));
        std::fs::create_dir_all(&root).unwrap();
        let netns = self.hosts.of(host);
        let mut process = Command::new("ip")
            .args([
                "netns", "exec", &netns, "unshare", "--mount", "--pid", "--fork", "--uts", "--ipc",
            ])
            .args(["sh", "-c", ENTER, "sh"])
            .args([&root, &self.names, secret, Path::new(place), &binary()])
            .arg(user)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Container {
            name: host.into(),
            lines: Lines::of(process.stdout.take().unwrap()),
            process,
            place: place.into(),
            user: user.into(),
        }
    }

    /// Runs the command in a container, as `docker exec` and `kubectl exec` do.
    pub(crate) fn exec(&self, container: &Container, line: &[&str]) -> Output {
        let netns = self.hosts.of(&container.name);
        let root = format!("/proc/{}/root", container.first());
        Command::new("ip")
            .args(["netns", "exec", &netns, "env", "-i"])
            .arg(format!("AEMP_RC={}", container.place))
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "chroot", "--groups="])
            .arg(format!("--userspec={}", container.user))
            .args([&root, "/aemp"])
            .args(line)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs the command until it prints what it should.
    pub(crate) fn exec_until(&self, container: &Container, line: &[&str], expected: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let done = self.exec(container, line);
            let out = String::from_utf8_lossy(&done.stdout);
            if done.status.success() && out == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{line:?}: {done:?}");
        }
    }

    /// Asks an endpoint from outside: what it answers, once that is with the status 200 and says `text`.
    pub(crate) fn probe(&self, address: &str, port: i64, path: &str, text: &str) -> String {
        let netns = self.hosts.of(OUTSIDE);
        let script = format!(
            "exec 3<>/dev/tcp/{address}/{port} && printf 'GET {path} HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' >&3 && cat <&3"
        );
        let deadline = Instant::now() + LIMIT;
        loop {
            let asked = Command::new("ip")
                .args([
                    "netns", "exec", &netns, "timeout", "5", "bash", "-c", &script,
                ])
                .output()
                .unwrap();
            let answer = String::from_utf8_lossy(&asked.stdout).into_owned();
            if answer.starts_with("HTTP/1.1 200 ") && answer.contains(text) {
                return answer.split_once("\r\n\r\n").unwrap().1.to_owned();
            }
            assert!(Instant::now() < deadline, "{address}{path}: {asked:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The command; another one, such as a static one, where `AEMP_BINARY` says so.
fn binary() -> PathBuf {
    let given = std::env::var_os("AEMP_BINARY");
    given.map_or_else(|| env!("CARGO_BIN_EXE_aemp").into(), PathBuf::from)
}

impl Container {
    /// Its first process, as the host knows it; none before it is there and after its end.
    fn find_first(&self) -> Option<u32> {
        let outer = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
        children.ok()?.trim().parse().ok()
    }

    fn first(&self) -> u32 {
        self.find_first().expect("a process")
    }

    /// A line of what the kernel says of it.
    pub(crate) fn status(&self, key: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.first())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let words: Vec<&str> = line
            .unwrap()
            .trim_start_matches(':')
            .split_whitespace()
            .collect();
        words.join(" ")
    }

    /// Waits until its node says that it is ready.
    pub(crate) fn ready(&self) -> String {
        self.lines
            .wait(&format!("{} is ready", self.name), LIMIT, |line| {
                line.starts_with("ready ").then(|| line.to_owned())
            })
    }

    /// Tells it to stop as engines do, and gives its code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let first = self.first().to_string();
        let told = Command::new("kill").args(["-TERM", &first]).status();
        assert!(told.unwrap().success());
        self.process.wait().unwrap().code()
    }

    /// Kills it, as if its host was gone.
    pub(crate) fn kill(mut self) {
        let first = self.first().to_string();
        let told = Command::new("kill").args(["-KILL", &first]).status();
        assert!(told.unwrap().success());
        self.process.wait().unwrap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The outer one ends with it.
        if let Some(first) = self.find_first() {
            let _ = Command::new("kill")
                .args(["-KILL", &first.to_string()])
                .status();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
