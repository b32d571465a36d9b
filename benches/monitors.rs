//! A hundred thousand monitors on the ports of one other node: how long it takes to set them and, when the connection
//! is lost, to run all their callbacks, and how much memory they take. The other node is a socket that reads.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aemp::{LocalNode, PortId, Reason};
use common::{memory, stranger};
use tokio::io::AsyncReadExt;

const MONITORS: usize = 100_000;
const ROUNDS: usize = 5;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let node = stranger::node("bench").await;
        let (set, fired, each) = measure(&node).await;
        times.push((set + fired, set, fired));
        if round == 0 {
            // Later rounds use memory that the first has left behind.
            match each {
                Some(each) => println!("memory: {each:.0} bytes a monitor (goal: at most 200)"),
                None => println!("memory: this system does not say (/proc/self/statm)"),
            }
        }
        node.shutdown().await;
    }
    times.sort();
    let (all, set, fired) = times[ROUNDS / 2];
    println!(
        "{MONITORS} monitors: set in {set:.0?}, fired in {fired:.0?}, in all {all:.0?} (goal: at most 1 s; median of \
         {ROUNDS} rounds)"
    );
}

/// How long it took to set the monitors and to fire them, and the bytes that each takes.
async fn measure(node: &LocalNode) -> (Duration, Duration, Option<f64>) {
    let mut peer = stranger::join(node, "peer").await;
    let ports: Vec<PortId> = (0..MONITORS)
        .map(|n| format!("peer#port{n:08}").parse().expect("an ID"))
        .collect();
    let fired = Arc::new(AtomicUsize::new(0));
    let before = memory::resident();

    let start = Instant::now();
    for port in &ports {
        let fired = fired.clone();
        let count = move |_: Reason| {
            fired.fetch_add(1, Ordering::Relaxed);
        };
        node.monitor(port, count).detach();
    }
    // The peer has read the last request.
    let (mut buffer, mut seen) = (vec![0; 1 << 16], 0);
    while seen < MONITORS {
        let n = peer.read(&mut buffer).await.expect("it is connected");
        seen += buffer[..n].iter().filter(|byte| **byte == b']').count();
    }
    let set = start.elapsed();
    let after = memory::resident();

    let start = Instant::now();
    drop(peer);
    while fired.load(Ordering::Relaxed) < MONITORS {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "one is missing: no result"
        );
        tokio::task::yield_now().await;
    }
    let each = before.zip(after);
    let each = each.map(|(before, after)| after.saturating_sub(before) as f64 / MONITORS as f64);
    (set, start.elapsed(), each)
}
