//! The events of a node, and what a reader learns that is too slow for them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aemp_core::{ConnectError, LocalNode, NodeEvent, NodeEvents};

/// Events that a node keeps for a slow reader.
const KEPT: usize = 1024;

async fn next(events: &mut NodeEvents) -> NodeEvent {
    let next = tokio::time::timeout(Duration::from_secs(20), events.recv());
    next.await.unwrap().unwrap()
}

/// Causes an event for each of these numbers, in their order: no node `m0` can be reached, no `m1`, ...
async fn cause(node: &LocalNode, numbers: std::ops::Range<usize>) {
    for n in numbers {
        node.gone(format!("m{n}#p")).await;
    }
}

fn is_of(event: &NodeEvent, n: usize) -> bool {
    matches!(
        event,
        NodeEvent::Unreachable { node, error: ConnectError::NoAddress { .. }, .. } if *node == format!("m{n}")[..]
    )
}

#[tokio::test]
async fn a_slow_reader_of_events_learns_how_many_it_missed_where_they_were() {
    let node = LocalNode::builder().id("n").start().await.unwrap();
    let (mut events, mut late) = (node.events(), node.events());
    cause(&node, 0..10).await;
    for n in 0..10 {
        assert!(is_of(&next(&mut events).await, n));
    }
    cause(&node, 10..10 + 300 + KEPT).await;
    assert!(matches!(next(&mut events).await, NodeEvent::Missed(300)));
    for n in 310..310 + KEPT {
        let event = next(&mut events).await;
        assert!(is_of(&event, n), "{n}: {event:?}");
    }
    // And no further gap.
    cause(&node, 7000..7001).await;
    assert!(is_of(&next(&mut events).await, 7000));
    // Each reader has its own.
    assert!(matches!(next(&mut late).await, NodeEvent::Missed(311)));
    node.shutdown().await;
    while late.recv().await.is_some() {}
}
