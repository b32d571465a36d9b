//! Greetings that are changed on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aemp::{Builder, NodeEvent};

use crate::middle::{Change, PLAIN};
use crate::nodes::soon;
use crate::scene::{Scene, failure, translated};

/// Without the check of addresses, which would find the attacker before the proof does. What waits for the end of a line that
/// was taken away waits for the deadline.
fn quick(node: Builder) -> Builder {
    translated(node).configure(|config| config.opening_timeout = Duration::from_millis(500))
}

/// Flips a bit of byte `at` of the two lines of `end`.
fn flip(end: usize, at: usize) -> (Change, Arc<AtomicBool>) {
    let flipped = Arc::new(AtomicBool::new(false));
    let set = flipped.clone();
    let seen = AtomicUsize::new(0);
    let change = move |who, number, mut bytes: Vec<u8>| {
        if who == end && number < 2 {
            let before = seen.fetch_add(bytes.len(), Ordering::Relaxed);
            let place = at.checked_sub(before);
            if let Some(byte) = place.and_then(|place| bytes.get_mut(place)) {
                *byte ^= 1 << (at % 8);
                set.store(true, Ordering::Relaxed);
            }
        }
        bytes
    };
    (Arc::new(change), flipped)
}

#[tokio::test]
async fn no_connection_comes_up_if_a_byte_of_either_greeting_is_changed() {
    let mut scene = Scene::new(quick).await;
    for end in [0, 1] {
        let mut at = 0;
        loop {
            let (change, flipped) = flip(end, at);
            let (d, said) = scene.between(quick, PLAIN, change).await;
            let joined = soon(d.joined()).await;
            if !flipped.load(Ordering::Relaxed) {
                // The byte after the last. Before this one, none has come up at `a`.
                joined.unwrap();
                assert!(matches!(scene.event().await, NodeEvent::Up(link) if link.peer() == "d"));
                soon(d.shutdown()).await;
                assert!(matches!(scene.event().await, NodeEvent::Down { .. }));
                break;
            }
            let why = joined.unwrap_err().text;
            assert!(d.links().is_empty(), "{end} {at}: {why}");
            soon(said).await.unwrap();
            at += 1;
        }
        assert!(at > 150, "{at} bytes");
    }
    scene.undisturbed(quick).await;
}

#[tokio::test]
async fn the_log_and_the_error_name_who_could_not_prove_itself() {
    let scene = Scene::new(quick).await;
    // The first byte of the nonce of `a`: nothing but the proof covers it.
    let change = Arc::new(|end, number, mut bytes: Vec<u8>| {
        if (end, number) == (0, 1) {
            bytes[0] ^= 1;
        }
        bytes
    });
    let (d, said) = scene.between(quick, PLAIN, change).await;
    scene
        .refused(&["\"d\" did not prove itself", "hmac_sha3_512"])
        .await;
    let why = failure(&d).await;
    assert!(why.contains("\"a\" closed the connection"), "{why}");
    soon(said).await.unwrap();
    scene.undisturbed(quick).await;
}
