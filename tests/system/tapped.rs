//! Taps: what crosses a node's links is shown, within limits, and nothing waits for who looks.

use aemp::tap::{Direction, Tap, TapConfig, Tapped, TappedMessage};
use aemp::{LocalNode, Message, NodeId, PortId};

use crate::common::{Network, linked, node, soon};

/// Two nodes that are connected, and a port of the second that swallows.
async fn two(codecs: [&str; 2]) -> (LocalNode, LocalNode, PortId) {
    let network = Network::default();
    let seed = node("seed", &network).codecs(codecs).bind("mem:seed");
    let seed = seed.start().await.unwrap();
    let worker = node("worker", &network).seed("mem:seed");
    let worker = worker.start().await.unwrap();
    linked(&worker, "seed").await;
    linked(&seed, "worker").await;
    let port = seed.port_named("jobs", |_: &mut aemp::Context<'_>, _: Message| {});
    (worker, seed, port.unwrap())
}

async fn message(tap: &mut Tap) -> TappedMessage {
    loop {
        match soon(tap.recv()).await {
            Some(Tapped::Message(message)) => return message,
            Some(_) => {}
            None => panic!("the tap has ended"),
        }
    }
}

#[tokio::test]
async fn both_ends_see_the_same_bytes() {
    let (worker, seed, jobs) = two(["json", "cbor"]).await;
    let options = TapConfig::new().matching("seed#jobs");
    let (mut out, mut at) = (worker.tap(options.clone()), seed.tap(options));
    for tap in [&mut out, &mut at] {
        let Some(Tapped::Up(link)) = soon(tap.recv()).await else {
            panic!("the link comes first");
        };
        assert!(link.greeting_sent().starts_with("aemp;1;"));
    }
    worker.send(&jobs, ("job", 7));
    let (out, at) = (message(&mut out).await, message(&mut at).await);
    assert_eq!(out.bytes, at.bytes);
    assert_eq!(&out.bytes[..], br#"["jobs","job",7]"#);
    assert_eq!(
        (out.peer.as_str(), out.direction),
        ("seed", Direction::Sent)
    );
    assert_eq!(
        (at.peer.as_str(), at.direction),
        ("worker", Direction::Received)
    );
}

#[tokio::test]
async fn a_part_of_peer_port_or_tag_chooses() {
    let (worker, seed, jobs) = two(["cbor", "json"]).await;
    let tap = |part: &str| seed.tap(TapConfig::new().matching(part));
    for (part, shown) in [
        ("jobs", true),
        ("worker", true),
        ("urgent", true),
        ("other", false),
    ] {
        let mut tap = tap(part);
        worker.send(&jobs, ("urgent", part));
        worker.send(&jobs, ("other", "end"));
        let message = loop {
            let next = message(&mut tap).await;
            // The directory's own messages go on.
            if next.bytes.windows(4).any(|bytes| bytes == b"jobs") {
                break next;
            }
        };
        let is_first = message.bytes.windows(6).any(|bytes| bytes == b"urgent");
        assert_eq!(is_first, shown, "{part}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_counted() {
    let (worker, seed, jobs) = two(["cbor", "json"]).await;
    let mut tap = seed.tap(TapConfig::new().matching("#jobs").rate(10).size(20));
    for n in 0..1000 {
        worker.send(&jobs, ("job", n, "x".repeat(100)));
    }
    let (mut shown, mut missed) = (0, 0);
    while shown + missed < 1000 {
        match soon(tap.recv()).await {
            Some(Tapped::Message(message)) => {
                assert!(message.len > 100 && message.bytes.len() == 20);
                shown += 1;
            }
            Some(Tapped::Missed(count)) => missed += count,
            _ => {}
        }
    }
    // They take less than some seconds.
    assert!((10..200).contains(&shown), "{shown}");
}

#[tokio::test]
async fn a_tap_that_nobody_reads_holds_nothing_up() {
    let (worker, seed, jobs) = two(["cbor", "json"]).await;
    let mut tap = seed.tap(TapConfig::new().rate(u32::MAX));
    for n in 0..5000 {
        worker.send(&jobs, ("job", n));
    }
    let (time,): (f64,) = soon(
        worker
            .call(PortId::from(NodeId::new("seed").unwrap()), ("time",))
            .into_future(),
    )
    .await
    .unwrap();
    assert!(time > 0.0);
    let (mut shown, mut missed) = (0, 0);
    while shown + missed < 5000 {
        match soon(tap.recv()).await {
            Some(Tapped::Message(_)) => shown += 1,
            Some(Tapped::Missed(count)) => missed += count,
            _ => {}
        }
    }
    assert!(missed > 3000, "{shown} {missed}");
}

#[tokio::test]
async fn links_come_and_go_around_their_messages_and_the_end_is_told() {
    let (worker, seed, jobs) = two(["cbor", "json"]).await;
    let mut tap = seed.tap(TapConfig::new());
    worker.send(&jobs, ("last",));
    worker.shutdown().await;
    let mut seen = Vec::new();
    loop {
        match soon(tap.recv()).await {
            Some(Tapped::Up(link)) => seen.push(format!("up {}", link.peer())),
            Some(Tapped::Message(message)) if message.bytes.ends_with(b"dlast") => {
                seen.push("last".into())
            }
            Some(Tapped::Down { peer, .. }) => {
                seen.push(format!("down {peer}"));
                break;
            }
            _ => {}
        }
    }
    assert_eq!(seen, ["up worker", "last", "down worker"]);
    seed.shutdown().await;
    while soon(tap.recv()).await.is_some() {}
}

#[tokio::test]
async fn the_links_to_viewers_are_not_shown() {
    let (worker, seed, jobs) = two(["cbor", "json"]).await;
    let _viewed = seed.tap(TapConfig::new().viewer(worker.id().clone()));
    let mut other = seed.tap(TapConfig::new());
    assert!(matches!(soon(other.recv()).await, Some(Tapped::Up(_))));
    worker.send(&jobs, ("job", 1));
    worker.shutdown().await;
    let next = loop {
        match soon(other.recv()).await {
            Some(Tapped::Message(message)) => break format!("{message:?}"),
            Some(Tapped::Down { .. }) => break String::from("nothing"),
            _ => {}
        }
    };
    assert_eq!(next, "nothing");
}

#[tokio::test]
async fn links_are_told_of_however_late_they_are_read_of() {
    let network = Network::default();
    let seed = node("seed", &network).bind("mem:seed");
    let seed = seed.start().await.unwrap();
    let jobs = seed.port_named("jobs", |_: &mut aemp::Context<'_>, _: Message| {});
    let jobs = jobs.unwrap();
    let worker = node("worker", &network).seed("mem:seed");
    let worker = worker.start().await.unwrap();
    linked(&seed, "worker").await;
    let mut tap = seed.tap(TapConfig::new().rate(u32::MAX));
    // Nobody reads: there is no more room for messages.
    for n in 0..5000 {
        worker.send(&jobs, ("job", n));
    }
    let _: (f64,) = soon(
        worker
            .call(PortId::from(seed.id().clone()), ("time",))
            .into_future(),
    )
    .await
    .unwrap();
    let late = node("late", &network).seed("mem:seed");
    let late = late.start().await.unwrap();
    linked(&seed, "late").await;
    worker.shutdown().await;
    let mut told = Vec::new();
    while told.len() < 3 {
        match soon(tap.recv()).await {
            Some(Tapped::Up(link)) => told.push(format!("up {}", link.peer())),
            Some(Tapped::Down { peer, .. }) => told.push(format!("down {peer}")),
            _ => {}
        }
    }
    assert_eq!(told, ["up worker", "up late", "down worker"]);
    drop(late);
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes() {
    let (worker, seed, jobs) = two(["cbor", "json"]).await;
    let mut tap = seed.tap(
        TapConfig::new()
            .rate(u32::MAX)
            .size(usize::MAX)
            .matching("jobs"),
    );
    for n in 0..10 {
        worker.send(&jobs, ("job", n, "x".repeat(1 << 20)));
    }
    let (mut shown, mut missed) = (0, 0);
    while shown + missed < 10 {
        match soon(tap.recv()).await {
            Some(Tapped::Message(message)) => {
                assert_eq!(message.bytes.len(), message.len);
                shown += 1;
            }
            Some(Tapped::Missed(count)) => missed += count,
            _ => {}
        }
    }
    assert!(shown >= 3, "{shown} {missed}");
}
