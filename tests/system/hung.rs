//! Peers that hang: their machine answers for them, and they do nothing. On a simulated clock.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep, timeout};

use crate::common::{linked, until};
use crate::failures::Scene;
use crate::stranger::Stranger;

const TIMEOUT: Duration = Duration::from_secs(8);

/// `monitor_timeout` less a quarter, and more.
const IN_TIME: std::ops::RangeInclusive<f64> = 6.0..=10.0;

async fn scene(hung_check: bool) -> Scene {
    Scene::new(|config| {
        config.monitor_timeout = TIMEOUT;
        config.liveness_check = hung_check;
    })
    .await
}

/// Waits until a monitor on a port of `x` fires, and says after how many seconds and why.
async fn gone(scene: &Scene) -> (f64, String) {
    let start = Instant::now();
    let gone = scene.a.gone("x#port");
    let why = timeout(10 * TIMEOUT, gone).await.expect("it fires");
    (start.elapsed().as_secs_f64(), why.to_string())
}

/// Answers what the node asks, as any node would, for so long.
async fn answer_for(stranger: &mut Stranger, time: Duration) {
    let end = Instant::now() + time;
    while let Ok(number) = tokio::time::timeout_at(end, stranger.asked()).await {
        let answer = format!("[\"\",\"aemp::alive\",{number},1700000000.5]");
        stranger.send(answer.as_bytes()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_in_time() {
    let scene = scene(true).await;
    let _silent = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let (took, why) = gone(&scene).await;
    assert!(IN_TIME.contains(&took), "{took}");
    assert_eq!(
        why,
        "transport_error: x, no sign of life within 8s (monitor_timeout)"
    );
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_lives_and_counts_as_hung_only_once_it_stops() {
    let scene = scene(true).await;
    let mut peer = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    answer_for(&mut peer, 10 * TIMEOUT).await;
    let stats = scene.a.stats();
    let link = stats
        .connections
        .iter()
        .find(|l| l.info.peer() == "x")
        .unwrap();
    assert_eq!((link.info.generation(), link.unknown_requests), (2, 0));
    assert!(link.rtt.is_some_and(|took| took < TIMEOUT), "{link:?}");
    assert!(link.received.messages >= 10, "{link:?}");
    let (took, _) = gone(&scene).await;
    assert!(IN_TIME.contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_lives_and_counts_as_hung_only_once_it_stops() {
    let scene = scene(true).await;
    let mut slow = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    for _ in 0..1024 {
        scene.a.send("x#port", ("x".repeat(1024),));
    }
    let taken = Instant::now();
    while taken.elapsed() < 10 * TIMEOUT {
        // Without a word, and never all that there is.
        slow.take(8 << 10).await;
        sleep(TIMEOUT * 3 / 4).await;
    }
    linked(&scene.a, "x").await;
    slow.take(8 << 10).await;
    let (took, _) = gone(&scene).await;
    assert!(IN_TIME.contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_itself_does_not_take_its_peers_for_dead() {
    let scene = scene(true).await;
    let mut peer = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    answer_for(&mut peer, TIMEOUT).await;
    for _ in 0..3 {
        // Nothing runs meanwhile.
        advance(3 * TIMEOUT).await;
        answer_for(&mut peer, TIMEOUT).await;
    }
    linked(&scene.a, "x").await;
    let (took, _) = gone(&scene).await;
    assert!(IN_TIME.contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn without_the_check_a_silent_peer_stays() {
    let scene = scene(false).await;
    let _silent = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    sleep(20 * TIMEOUT).await;
    linked(&scene.a, "x").await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_asked_for_are_counted() {
    let scene = scene(true).await;
    let mut peer = Stranger::join(&scene.network, "a", "x").await;
    for odd in [
        "[\"\",\"aemp::alive\",1,5]",
        "[\"\",\"kil0\",\"nobody\",\"why\"]",
        "[\"\",\"mon0\",\"nobody\"]",
        "[\"\",\"no::such\"]",
    ] {
        peer.send(odd.as_bytes()).await;
    }
    until("all four are counted", || {
        let stats = scene.a.stats();
        let link = stats.connections.iter().find(|l| l.info.peer() == "x");
        link.is_some_and(|link| link.unknown_requests == 4)
    })
    .await;
}
