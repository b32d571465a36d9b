//! The node that members and strangers attack, in a process of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aemp::{Context, LocalNode, Message, PortId};
use tokio::signal::unix::{SignalKind, signal};

use crate::log::Log;
use crate::process::{Child, echo};
use crate::times::{Moment, Took};
use crate::{SECRET, port, soon};

/// How long the node takes at most to send what is queued when it is told to end.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(1);

/// Bytes that the node holds for all its peers, but for half a MiB for each.
pub(crate) const PEERS_LIMIT: usize = 64 << 20;

/// How long the port `slow` takes for a message.
const SLOW: Duration = Duration::from_millis(1);

pub(crate) struct Victim {
    pub(crate) process: Child,
    /// Where its node listens.
    pub(crate) at: SocketAddr,
}

impl Victim {
    pub(crate) async fn start(variables: &[(&str, String)]) -> Self {
        let mut process = Child::start("victim", variables.iter().cloned());
        let at = process.line("@ready ").await.parse().unwrap();
        Self { process, at }
    }

    /// A node of this process that has joined the victim's network.
    pub(crate) async fn member(&self, id: &str) -> LocalNode {
        let node = aemp::node().id(id).secret(SECRET).seed(self.at.to_string());
        let node = node.start().await.unwrap();
        soon(node.joined()).await.unwrap();
        node
    }

    /// How long an answer to `member` takes now.
    pub(crate) async fn answer(&self, member: &LocalNode) -> Took {
        let begun = self.now();
        let call = member.call(port("victim#echo"), ("echo", 7));
        let (n,): (u64,) = soon(call).await.unwrap();
        assert_eq!(n, 7);
        begun.until(&self.now())
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::now(self.process.id())
    }

    /// How many descriptors the process has open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.process.id()));
        open.unwrap().count()
    }

    /// The most bytes of memory that the process has had so far.
    pub(crate) fn memory(&self) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: usize = peak
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib << 10
    }
}

/// What the process runs, as node `id`: a global node with the ports `echo`, `sink`, which takes everything, and `slow`, which
/// takes [`SLOW`] for each message.
pub(crate) async fn run(id: String) {
    let log = Log::everywhere();
    let mut told = signal(SignalKind::terminate()).unwrap();
    let mut node = aemp::node()
        .id(id)
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| {
            config.cleartext = true;
            config.peers_limit = PEERS_LIMIT;
        });
    if let Ok(seed) = std::env::var("AEMP_SEED") {
        node = node.seed(seed);
    }
    let node = node.start().await.unwrap();
    node.directory().serve_directory();
    let echo = echo()
        .on(
            "fill",
            |cx, (family, keys, reply): (String, u32, PortId)| {
                let directory = cx.node().directory();
                for n in 0..keys {
                    directory.set(&family, format!("key-{n}"), n).unwrap();
                }
                cx.send(&reply, ());
            },
        )
        .on("meet", |cx, (id, at, reply): (String, String, PortId)| {
            cx.node()
                .set_peer_addresses(&id.parse().unwrap(), [at.parse().unwrap()]);
            cx.send(&reply, ());
        })
        .on("queued", |cx, (reply,): (PortId,)| {
            let links = cx.node().stats().connections;
            let most = links.iter().map(|link| link.queued).max();
            cx.send(&reply, (most,));
        })
        .on("logged", move |cx, (reply,): (PortId,)| {
            let lines = log.with(&["WARN"]);
            let bytes: usize = lines.iter().map(String::len).sum();
            cx.send(&reply, (lines.len(), bytes));
        });
    node.port_of_named("echo", echo).unwrap();
    node.port_named("sink", |_: &mut Context<'_>, _: Message| ())
        .unwrap();
    let mut begun = false;
    let slow = move |_: &mut Context<'_>, _: Message| {
        if !std::mem::replace(&mut begun, true) {
            println!("@slow begins");
        }
        std::thread::sleep(SLOW);
    };
    node.port_named("slow", slow).unwrap();
    println!("@ready {}", node.addresses()[0]);
    told.recv().await;
    let begun = Instant::now();
    let lost = node.shutdown_within(SHUTDOWN).await.undelivered;
    println!(
        "@stopped after {:.1?}, undelivered: {lost:?}",
        begun.elapsed()
    );
}
