//! What one bad peer costs the others: a reader that has stopped beside fifty that read, and a connection that is lost
//! with much in its queue while other ports work.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aemp::{Context, LocalNode, Message, NodeId, PortId};
use common::rounds::{Bench, report};
use common::stranger;

const READERS: usize = 50;
const MESSAGES: usize = 200_000;
const QUEUED: usize = 100_000;
const ROUNDS: usize = 9;
const TEXT: &str = "the quick brown fox jumps over the lazy dog, and so.";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    stopped_reader().await;
    lost_with_a_full_queue().await;
}

/// The rate of one node to fifty others, with and without a reader that has stopped and is sent to as well.
async fn stopped_reader() {
    let hub = stranger::node("hub").await;
    let at = hub.addresses()[0].to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let (mut readers, mut ports) = (Vec::new(), Vec::new());
    for n in 0..READERS {
        let reader = aemp::node()
            .id(format!("reader{n}"))
            .secret(stranger::SECRET)
            .seed(&at);
        let reader = reader.start().await.expect("it starts");
        reader.joined().await.expect("it connects");
        let count = count.clone();
        ports.push(reader.port(move |_: &mut Context<'_>, _: Message| {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        readers.push(reader);
    }
    let mut bench = Bench::new(["fifty readers", "and one that has stopped"]);
    for _ in 0..ROUNDS {
        bench.time(0, send_all(&hub, &ports, &count)).await;
        let stopped = stranger::join(&hub, "stopped").await;
        let flood = tokio::spawn(flood(hub.clone()));
        // Its buffers are full.
        let full = || queued(&hub, "stopped") > 1 << 20;
        while !full() {
            tokio::task::yield_now().await;
        }
        bench.time(1, send_all(&hub, &ports, &count)).await;
        assert!(full(), "it reads: no result");
        flood.abort();
        drop(stopped);
        while hub.connections().len() > READERS {
            tokio::task::yield_now().await;
        }
    }
    report(
        "one to fifty over loopback, JSON or CBOR",
        &bench,
        MESSAGES as u64,
    );
    println!(
        "  {:.2}x the rate without it (goal: at least 0.9)",
        bench.ratio(0, 1)
    );
}

async fn send_all(hub: &LocalNode, ports: &[PortId], count: &AtomicUsize) {
    count.store(0, Ordering::Relaxed);
    for n in 0..MESSAGES {
        let port = &ports[n % ports.len()];
        hub.send(port, ("measure", n, TEXT));
        if n % 1000 == 0 {
            hub.ready(port.node()).await.expect("it runs");
        }
    }
    while count.load(Ordering::Relaxed) < MESSAGES {
        tokio::task::yield_now().await;
    }
}

/// Sends to the node that does not read, as fast as it is let.
async fn flood(hub: LocalNode) {
    let node: NodeId = "stopped".parse().expect("an ID");
    let port = node.port("nobody");
    loop {
        for n in 0..1000 {
            hub.send(&port, ("measure", n, TEXT));
        }
        hub.ready(&node).await.expect("it runs");
    }
}

fn queued(hub: &LocalNode, peer: &str) -> usize {
    let stats = hub.stats();
    let link = stats
        .connections
        .iter()
        .find(|stats| stats.info.peer() == peer);
    link.map_or(0, |stats| stats.queued)
}

/// The longest time that a port which is always busy had to wait, with nothing else going on and while a connection
/// with a full queue is lost.
async fn lost_with_a_full_queue() {
    let hub = stranger::node("hub").await;
    let longest = Arc::new(AtomicU64::new(0));
    let mut busy = Vec::new();
    // On all shards.
    for _ in 0..16 {
        let (longest, mut last) = (longest.clone(), Instant::now());
        let port = hub.port(move |cx: &mut Context<'_>, _: Message| {
            longest.fetch_max(last.elapsed().as_nanos() as u64, Ordering::Relaxed);
            last = Instant::now();
            cx.send(cx.id(), ());
        });
        hub.send(&port, ());
        busy.push(port);
    }
    let window = || async {
        longest.store(0, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        Duration::from_nanos(longest.load(Ordering::Relaxed))
    };
    let (mut quiet, mut lossy) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let peer = stranger::join(&hub, "peer").await;
        for n in 0..QUEUED {
            let port = format!("peer#port{}", n % 1000);
            hub.send(port, ("measure", n, TEXT));
        }
        quiet.push(window().await);
        assert!(queued(&hub, "peer") > 1 << 20, "it reads: no result");
        drop(peer);
        lossy.push(window().await);
        assert!(hub.connections().is_empty(), "it is not lost: no result");
    }
    for waits in [&mut quiet, &mut lossy] {
        waits.sort();
    }
    println!(
        "longest wait of busy ports in 100 ms: {:.1?} (at most {:.1?}) undisturbed, {:.1?} (at most {:.1?}) while a \
         connection with {QUEUED} queued messages is lost (goal: no stall over 10 ms)",
        quiet[ROUNDS / 2],
        quiet[ROUNDS - 1],
        lossy[ROUNDS / 2],
        lossy[ROUNDS - 1],
    );
}
