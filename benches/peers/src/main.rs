//! A Rust enum from one producer to one actor of the same process: an aemp port, a ractor actor and a kameo actor, each
//! with an unbounded mailbox, interleaved in one run. Each checks that every message arrives once and in order; otherwise
//! the run ends without a ratio. A package of its own: nothing else of the project needs those crates.

#[path = "../../common/outcome.rs"]
mod outcome;
#[path = "../../common/rounds.rs"]
#[allow(dead_code)] // Shared with benches that need all of it.
mod rounds;

use std::sync::Arc;

use aemp_core::{LocalNode, PortRef};
use kameo::actor::Spawn as _;
use ractor::{ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};

use outcome::Outcome;
use rounds::{Bench, report};

const MESSAGES: u64 = 1_000_000;
const ROUNDS: usize = 9;

/// The message.
#[derive(Serialize, Deserialize)]
enum Count {
    Add(u64),
    Text { n: u64, text: String },
}

/// Makes the message with a number.
type Make = fn(u64) -> Count;

/// Expects the numbers from 0 on, again and again.
struct Receiver {
    next: u64,
    outcome: Arc<Outcome>,
}

impl Receiver {
    fn new(outcome: &Arc<Outcome>) -> Self {
        let outcome = outcome.clone();
        Self { next: 0, outcome }
    }

    fn receive(&mut self, message: Count) {
        let n = match message {
            Count::Add(n) => n,
            Count::Text { n, text } if text == TEXT => n,
            Count::Text { .. } => u64::MAX,
        };
        if n != self.next {
            self.outcome.wrong();
        }
        self.next += 1;
        if self.next == MESSAGES {
            self.next = 0;
            self.outcome.done();
        }
    }
}

struct RactorActor;

impl ractor::Actor for RactorActor {
    type Msg = Count;
    type State = Receiver;
    type Arguments = Receiver;

    async fn pre_start(
        &self,
        _: ActorRef<Count>,
        receiver: Receiver,
    ) -> Result<Receiver, ActorProcessingErr> {
        Ok(receiver)
    }

    async fn handle(
        &self,
        _: ActorRef<Count>,
        message: Count,
        receiver: &mut Receiver,
    ) -> Result<(), ActorProcessingErr> {
        receiver.receive(message);
        Ok(())
    }
}

#[derive(kameo::Actor)]
struct KameoActor(Receiver);

impl kameo::message::Message<Count> for KameoActor {
    type Reply = ();

    async fn handle(&mut self, message: Count, _: &mut kameo::message::Context<Self, ()>) {
        self.0.receive(message);
    }
}

/// Runs the producer in a task, and waits until the receiver has all.
async fn through(produce: impl FnOnce() + Send + 'static, outcome: &Outcome) {
    let producer = tokio::spawn(async move { produce() });
    let (produced, ()) = tokio::join!(producer, outcome.of(1));
    produced.expect("no panic");
}

const TEXT: &str = "the quick brown fox jumps over the lazy dog, and so";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let node = LocalNode::builder().id("bench").start().await;
    let node = node.expect("a node without network starts");
    let outcome = Arc::default();
    let mut receiver = Receiver::new(&outcome);
    let port: PortRef<Count> = node.typed_port(move |_, message: Count| receiver.receive(message));
    let ractor = ractor::Actor::spawn(None, RactorActor, Receiver::new(&outcome)).await;
    let (ractor, _) = ractor.expect("the actor starts");
    let kameo = KameoActor::spawn_with_mailbox(
        KameoActor(Receiver::new(&outcome)),
        kameo::mailbox::unbounded(),
    );

    let kinds: [(&str, Make); 2] = [
        ("Add(n)", Count::Add),
        ("Text { n, text }", |n| Count::Text {
            n,
            text: TEXT.to_owned(),
        }),
    ];
    for (title, make) in kinds {
        let mut bench = Bench::new(["ractor", "kameo", "aemp"]);
        for _ in 0..ROUNDS {
            let to = ractor.clone();
            let produce = move || (0..MESSAGES).for_each(|n| to.cast(make(n)).expect("it lives"));
            bench.time(0, through(produce, &outcome)).await;
            let to = kameo.clone();
            let produce = move || {
                (0..MESSAGES).for_each(|n| to.tell(make(n)).try_send().expect("it lives"));
            };
            bench.time(1, through(produce, &outcome)).await;
            let (node, to) = (node.clone(), port.clone());
            let produce = move || (0..MESSAGES).for_each(|n| node.tell(&to, make(n)));
            bench.time(2, through(produce, &outcome)).await;
        }
        report(title, &bench, MESSAGES);
        let (ractor, kameo) = (bench.ratio(0, 2), bench.ratio(1, 2));
        println!(
            "  aemp: {ractor:.2}x the rate of ractor, {kameo:.2}x of kameo (goal: at least 1)"
        );
    }
}
