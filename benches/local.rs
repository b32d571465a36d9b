//! Local sends: messages from one producer through a node's shards, beside tokio's unbounded channel with the
//! same messages, interleaved in one run. Each receiver looks at what it gets: a message that is lost, repeated or
//! out of order ends the run without a ratio.

mod common;

use std::sync::Arc;

use aemp_core::message::IntoMessage;
use aemp_core::{Context, LocalNode, Message, PortId, PortRef};
use common::outcome::Outcome;
use common::rounds::{Bench, report};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

const MESSAGES: u64 = 1_000_000;
const MANY: usize = 100_000;
const ROUNDS: usize = 9;

/// One receiver: it expects the numbers `first`, `first + step` and so on, again and again.
struct Receiver {
    first: u64,
    step: u64,
    next: u64,
    outcome: Arc<Outcome>,
}

impl Receiver {
    fn new(first: u64, step: u64, outcome: &Arc<Outcome>) -> Self {
        let outcome = outcome.clone();
        Self {
            first,
            step,
            next: first,
            outcome,
        }
    }

    /// The number is the element at `at`.
    fn receive(&mut self, message: &Message, at: usize) {
        let values = message.to_values().expect("values");
        self.number(values.get(at).and_then(|n| n.as_u64()));
    }

    fn number(&mut self, number: Option<u64>) {
        if number != Some(self.next) {
            self.outcome.wrong();
        }
        self.next += self.step;
        if self.next >= MESSAGES {
            self.next = self.first;
            self.outcome.done();
        }
    }
}

/// A way to make messages, and where in them the number is.
struct Kind<M> {
    make: fn(u64) -> M,
    at: usize,
}

impl<M> Clone for Kind<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Kind<M> {}

/// Where the producer runs.
#[derive(Clone, Copy)]
enum Producer {
    Task,
    Thread,
}

impl Producer {
    async fn run(self, produce: impl FnOnce() + Send + 'static) {
        match self {
            Self::Task => tokio::spawn(async move { produce() })
                .await
                .expect("no panic"),
            Self::Thread => drop(std::thread::spawn(produce)),
        }
    }
}

async fn through_tokio<M: IntoMessage + 'static>(kind: Kind<M>, producer: Producer) {
    let (send, mut receive) = mpsc::unbounded_channel::<Message>();
    let outcome = Arc::new(Outcome::default());
    let mut receiver = Receiver::new(0, 1, &outcome);
    tokio::spawn(async move {
        while let Some(message) = receive.recv().await {
            receiver.receive(&message, kind.at);
        }
    });
    let produce = move || {
        for n in 0..MESSAGES {
            let _ = send.send((kind.make)(n).into_message().expect("it is a message"));
        }
    };
    tokio::join!(producer.run(produce), outcome.of(1));
}

/// Receiving ports.
struct Ports {
    ids: Arc<Vec<PortId>>,
    outcome: Arc<Outcome>,
}

impl Ports {
    fn new(node: &LocalNode, count: usize, at: usize) -> Self {
        let outcome = Arc::default();
        let port = |which: usize| {
            let mut receiver = Receiver::new(which as u64, count as u64, &outcome);
            node.port(move |_: &mut Context<'_>, message: Message| receiver.receive(&message, at))
        };
        let ids = Arc::new((0..count).map(port).collect());
        Self { ids, outcome }
    }
}

async fn through_ports<M: IntoMessage + 'static>(
    node: &LocalNode,
    ports: &Ports,
    kind: Kind<M>,
    producer: Producer,
) {
    let (node, ids) = (node.clone(), ports.ids.clone());
    let count = ids.len();
    let produce = move || {
        for (n, port) in (0..MESSAGES).zip(ids.iter().cycle()) {
            node.send(port, (kind.make)(n));
        }
    };
    tokio::join!(producer.run(produce), ports.outcome.of(count));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let node = LocalNode::builder()
        .id("bench")
        .start()
        .await
        .expect("a node without network starts");
    let number = Kind {
        make: |n| Message::from_iter([n]),
        at: 0,
    };
    let (one, many) = (Ports::new(&node, 1, 0), Ports::new(&node, MANY, 0));

    let mut bench = Bench::new(["tokio unbounded channel", "one port", "100,000 ports"]);
    for _ in 0..ROUNDS {
        let producer = Producer::Task;
        bench.time(0, through_tokio(number, producer)).await;
        bench
            .time(1, through_ports(&node, &one, number, producer))
            .await;
        bench
            .time(2, through_ports(&node, &many, number, producer))
            .await;
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

    typed(&node).await;

    println!("\nFor information:");
    beside(
        &node,
        "a producer on a thread of its own",
        number,
        Producer::Thread,
    )
    .await;
    let add = Kind {
        make: |n| ("add", n),
        at: 1,
    };
    beside(&node, r#"("add", 41)"#, add, Producer::Task).await;
    let five = Kind {
        make: |n| {
            (
                "measure",
                n,
                -42,
                0.1,
                "the quick brown fox jumps over the lazy dog, and so",
            )
        },
        at: 1,
    };
    beside(
        &node,
        "a tag, three numbers and a text",
        five,
        Producer::Task,
    )
    .await;
}

/// A message of a typed port.
#[derive(Serialize, Deserialize)]
enum Count {
    Add(u64),
}

/// The same content as a Rust value between typed ports, and as a tuple.
async fn typed(node: &LocalNode) {
    let add = Kind {
        make: |n| ("Add", n),
        at: 1,
    };
    let tuples = Ports::new(node, 1, add.at);
    let outcome = Arc::default();
    let mut receiver = Receiver::new(0, 1, &outcome);
    let port = node.typed_port(move |_, Count::Add(n): Count| receiver.number(Some(n)));
    let mut bench = Bench::new(["a tuple to a port", "an enum to a typed port"]);
    for _ in 0..ROUNDS {
        bench
            .time(0, through_ports(node, &tuples, add, Producer::Task))
            .await;
        bench.time(1, through_typed(node, &port, &outcome)).await;
    }
    report(r#"Add(41) as a tuple and as an enum"#, &bench, MESSAGES);
    println!(
        "  typed: {:.2}x the rate of the tuple (goal: at least 2)",
        bench.ratio(0, 1)
    );
}

async fn through_typed(node: &LocalNode, port: &PortRef<Count>, outcome: &Outcome) {
    let (node, port) = (node.clone(), port.clone());
    let produce = move || {
        for n in 0..MESSAGES {
            node.tell(&port, Count::Add(n));
        }
    };
    tokio::join!(Producer::Task.run(produce), outcome.of(1));
}

/// Another comparison of one port with the channel, without a goal.
async fn beside<M: IntoMessage + 'static>(
    node: &LocalNode,
    title: &str,
    kind: Kind<M>,
    producer: Producer,
) {
    let ports = Ports::new(node, 1, kind.at);
    let mut bench = Bench::new(["tokio unbounded channel", "one port"]);
    for _ in 0..ROUNDS {
        bench.time(0, through_tokio(kind, producer)).await;
        bench
            .time(1, through_ports(node, &ports, kind, producer))
            .await;
    }
    report(title, &bench, MESSAGES);
    println!(
        "  one port: {:.2}x the rate of the channel",
        bench.ratio(0, 1)
    );
}
