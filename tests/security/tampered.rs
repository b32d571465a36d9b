//! Greetings that are changed on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aemp::{NodeBuilder, NodeEvent};

use crate::middle::{Change, PLAIN};
use crate::nodes::soon;
use crate::scene::{Scene, failure, translated};

/// Without the check of addresses, which would find the attacker before the proof does. What waits for the end of a line that
/// was taken away waits for the deadline.
fn quick(node: NodeBuilder) -> NodeBuilder {
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
            let why = aemp::error::Report(&*joined.unwrap_err().error).to_string();
            assert!(d.connections().is_empty(), "{end} {at}: {why}");
            soon(said).await.unwrap();
            at += 1;
        }
        assert!(at > 150, "{at} bytes");
    }
    scene.undisturbed(quick).await;
}

type Mangle = fn(Vec<u8>) -> Vec<u8>;

/// What can become of a line.
const MANGLED: [(&str, Mangle); 5] = [
    ("empty", |_| b"\n".to_vec()),
    ("with one byte more", |line| [b"x", &line[..]].concat()),
    ("its halves swapped", |mut line| {
        let end = line.len() - 1;
        line[..end].rotate_left(end / 2);
        line
    }),
    ("dropped", |_| Vec::new()),
    ("cut short", |line| line[..line.len() / 2].to_vec()),
];

const DOUBLED: (&str, Mangle) = ("doubled", |line| line.repeat(2));

/// Lets `d` join `a`, with a line of this number of one end mangled. Neither is connected to the other afterwards.
async fn mangled(scene: &Scene, end: usize, number: usize, (what, mangle): (&str, Mangle)) {
    let change = Arc::new(move |who, line, bytes| match (who, line) == (end, number) {
        true => mangle(bytes),
        false => bytes,
    });
    let (d, said) = scene.between(quick, PLAIN, change).await;
    let why = aemp::error::Report(&*soon(d.joined()).await.expect_err(what).error).to_string();
    assert!(d.connections().is_empty(), "{end} {number} {what}: {why}");
    soon(said).await.unwrap();
}

#[tokio::test]
async fn no_connection_comes_up_if_a_line_is_empty_longer_swapped_dropped_doubled_or_cut() {
    let scene = Scene::new(quick).await;
    for (end, number) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for how in MANGLED {
            mangled(&scene, end, number, how).await;
        }
    }
    for (end, number) in [(0, 0), (1, 0), (1, 1)] {
        mangled(&scene, end, number, DOUBLED).await;
    }
    // The auth line of the dialer. What follows it is no part of the opening.
    for how in &MANGLED[..3] {
        mangled(&scene, 1, 2, *how).await;
    }
    scene.undisturbed(quick).await;
}

/// It comes last, so that the node that is dialled takes the connection for open until the dialer closes it. A second nonce line
/// is taken for it.
#[tokio::test]
async fn a_dialer_refuses_a_mangled_auth_line_and_the_other_end_hears_of_it() {
    let mut scene = Scene::new(translated).await;
    let auth = MANGLED[..3].iter().map(|how| (2, *how));
    for (number, (what, mangle)) in auth.chain([(1, DOUBLED)]) {
        let change = Arc::new(move |end, line, bytes| match (end, line) == (0, number) {
            true => mangle(bytes),
            false => bytes,
        });
        let (d, said) = scene.between(translated, PLAIN, change).await;
        let why = failure(&d).await;
        assert!(why.contains("\"a\""), "{what}: {why}");
        assert!(d.connections().is_empty());
        scene.gone("d").await;
        soon(said).await.unwrap();
    }
    scene.undisturbed(translated).await;
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
