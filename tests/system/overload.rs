//! A reader that has stopped: who awaits `ready` waits for it, and nobody else does.

use std::time::Duration;

use aemp::NodeId;
use tokio::time::timeout;

use crate::common::{Network, linked, node, soon};
use crate::stranger::Stranger;

#[tokio::test(start_paused = true)]
async fn a_stopped_reader_holds_up_who_waits_for_it_and_nobody_else() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").configure(|config| {
        config.cleartext = true;
        config.high_water = 64 << 10;
        // Past it the connection would fail.
        config.queue_limit = 1 << 20;
    });
    let a = a.start().await.unwrap();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    let mut inbox = b.inbox();
    let mut stopped = Stranger::join(&network, "a", "stopped").await;
    linked(&a, "stopped").await;

    let (deaf, payload) = (NodeId::new("stopped").unwrap(), "x".repeat(1000));
    let port = deaf.port("port");
    let fast = async {
        for _ in 0..2000 {
            a.send(&port, (&payload,));
            a.ready(&deaf).await.unwrap();
        }
    };
    tokio::pin!(fast);
    assert!(
        timeout(Duration::from_secs(5), &mut fast).await.is_err(),
        "it waits"
    );
    let queued = || a.stats().connections.iter().map(|link| link.queued).max();
    assert!((64 << 10..66 << 10).contains(&queued().unwrap()));
    for n in 0..2000 {
        a.send(inbox.id(), (n, &payload));
        a.ready(b.id()).await.unwrap();
    }
    for n in 0..2000 {
        let (m, _): (i32, String) = soon(inbox.recv()).await.unwrap().parse().unwrap();
        assert_eq!(m, n);
    }
    // It goes on as fast as the other reads.
    let reads = stopped.take(2_000_000);
    tokio::join!(soon(fast), reads);
}
