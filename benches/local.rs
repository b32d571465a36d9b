//! Local sends: messages from one producer through a node's shards, beside tokio's unbounded channel with the
//! same messages, interleaved in one run.

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aemp_core::{Context, LocalNode, Message, PortId};
use common::rounds::{Bench, report};
use tokio::sync::{Notify, mpsc};

const MESSAGES: u64 = 1_000_000;
const MANY: usize = 100_000;
const ROUNDS: usize = 9;

/// Counts what arrives, so that a run that loses a message does not end.
#[derive(Default)]
struct Counted {
    count: AtomicU64,
    all: Notify,
}

impl Counted {
    fn one(&self) {
        // One receiver at a time adds in the one-port run; with many ports it is the shards.
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == MESSAGES {
            self.all.notify_one();
        }
    }

    async fn all(&self) {
        self.all.notified().await;
        assert_eq!(self.count.swap(0, Ordering::Relaxed), MESSAGES);
    }
}

fn message(n: u64) -> Message {
    Message::from_iter([n])
}

async fn through_tokio() {
    let (send, mut receive) = mpsc::unbounded_channel::<Message>();
    let counted = Arc::new(Counted::default());
    let receiver = counted.clone();
    tokio::spawn(async move {
        while let Some(message) = receive.recv().await {
            black_box(&message);
            receiver.one();
        }
    });
    let producer = tokio::spawn(async move {
        for n in 0..MESSAGES {
            let _ = send.send(message(n));
        }
    });
    counted.all().await;
    let _ = producer.await;
}

async fn through_ports(node: &LocalNode, ports: &Arc<Vec<PortId>>, counted: &Counted) {
    let (sender, ports) = (node.clone(), ports.clone());
    let producer = tokio::spawn(async move {
        for n in 0..MESSAGES {
            sender.send(&ports[n as usize % ports.len()], message(n));
        }
    });
    counted.all().await;
    let _ = producer.await;
}

fn ports(node: &LocalNode, count: usize, counted: &Arc<Counted>) -> Arc<Vec<PortId>> {
    let port = || {
        let counted = counted.clone();
        node.port(move |_: &mut Context<'_>, message: Message| {
            black_box(&message);
            counted.one();
        })
    };
    Arc::new((0..count).map(|_| port()).collect())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let node = LocalNode::builder()
        .id("bench")
        .start()
        .await
        .expect("a node without network starts");
    let counted = Arc::new(Counted::default());
    let (one, many) = (ports(&node, 1, &counted), ports(&node, MANY, &counted));
    let mut bench = Bench::new(["tokio unbounded channel", "one port", "100,000 ports"]);
    for _ in 0..ROUNDS {
        bench.time(0, through_tokio()).await;
        bench.time(1, through_ports(&node, &one, &counted)).await;
        bench.time(2, through_ports(&node, &many, &counted)).await;
    }
    report("local one-way, one producer", &bench, MESSAGES);
    println!(
        "  one port: {:.2}x the rate of the channel (goal: at least 2)",
        bench.ratio(0, 1)
    );
    println!(
        "  100,000 ports: {:.2}x the rate of one port (goal: at least 0.5)",
        bench.ratio(1, 2)
    );
}
