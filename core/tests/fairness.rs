//! A port that floods its shard starves neither other ports nor the other tasks of the runtime.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aemp_core::{Context, LocalNode, Message, PortId, routes};

/// The number of messages that a flooding port keeps in flight.
const CIRCLING: usize = 1000;

/// A node with one shard and a port that keeps sending messages to itself, with the number of messages received.
async fn flooded() -> (LocalNode, Arc<AtomicUsize>) {
    let node = LocalNode::builder()
        .id("n")
        .configure(|config| config.shards = 1)
        .start()
        .await
        .unwrap();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let flood = node.port(move |cx: &mut Context<'_>, message: Message| {
        count.fetch_add(1, Ordering::Relaxed);
        cx.send(cx.id(), message);
    });
    for n in 0..CIRCLING {
        node.send(&flood, (n,));
    }
    while handled.load(Ordering::Relaxed) < 10 * CIRCLING {
        tokio::task::yield_now().await;
    }
    (node, handled)
}

/// On one thread, so that the counts do not depend on the machine.
#[tokio::test]
async fn a_message_waits_for_no_more_than_was_there_before_it() {
    let (node, handled) = flooded().await;
    let before_it = handled.clone();
    let victim = node.port_of(routes().on("when", move |cx, (reply,): (PortId,)| {
        cx.send(&reply, (before_it.load(Ordering::Relaxed),));
    }));
    for _ in 0..20 {
        let asked = handled.load(Ordering::Relaxed);
        let call = node
            .call(&victim, ("when",))
            .within(Duration::from_secs(20));
        let (had_its_turn,): (usize,) = call.await.unwrap();
        let waited = had_its_turn - asked;
        assert!(
            waited <= 2 * CIRCLING,
            "{waited} messages of others came first"
        );
    }
}

#[tokio::test]
async fn other_tasks_have_their_turn() {
    let (_node, handled) = flooded().await;
    for _ in 0..20 {
        let before = handled.load(Ordering::Relaxed);
        tokio::task::yield_now().await;
        let waited = handled.load(Ordering::Relaxed) - before;
        assert!(waited <= 2 * CIRCLING, "{waited} messages came first");
    }
}
