//! The bridge: a stranger without the secret joins two nodes that have it, and passes each one's lines to the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aemp::NodeEvent;
use tokio::net::TcpStream;

use crate::middle::{PLAIN, TLS, join, nothing};
use crate::nodes::{link, port, soon};
use crate::scene::{Kind, Scene, as_it_is, baited, encrypted, failure, member, translated};

/// With the check of addresses, and without.
const KINDS: [Kind; 2] = [as_it_is, translated];

#[tokio::test]
async fn two_nodes_that_the_attacker_has_dialled_refuse_each_other() {
    for kind in KINDS {
        let scene = Scene::new(kind).await;
        let other = kind(member("other")).bind("127.0.0.1:0");
        let other = other.start().await.unwrap();
        let address = other.addresses()[0].to_string();
        let ends = [
            scene.connect().await,
            TcpStream::connect(address).await.unwrap(),
        ];
        let said = soon(join(ends, PLAIN, nothing())).await;
        for node in ["a", "other"] {
            let why = format!("{node:?} says that it accepted this connection, and so did this");
            scene.refused(&[&why]).await;
        }
        assert!(no_proof(&said));
        assert!(other.links().is_empty());
        scene.undisturbed(kind).await;
    }
}

#[tokio::test]
async fn two_nodes_that_have_dialled_the_attacker_refuse_each_other() {
    for kind in KINDS {
        let scene = Scene::new(kind).await;
        let (one, to_one) = baited(kind(member("one"))).await;
        let (other, to_other) = baited(kind(member("other"))).await;
        let said = soon(join([to_one, to_other], PLAIN, nothing())).await;
        for (node, peer) in [(&one, "other"), (&other, "one")] {
            let why = format!("{peer:?} says that it dialled this connection, and so did this");
            let failure = failure(node).await;
            assert!(failure.contains(&why), "{failure}");
            assert!(node.links().is_empty());
        }
        assert!(no_proof(&said));
        scene.undisturbed(kind).await;
    }
}

#[tokio::test]
async fn a_node_that_has_dialled_the_attacker_and_one_that_he_has_dialled_see_the_wrong_address() {
    let scene = Scene::new(as_it_is).await;
    let (d, said) = scene.between(as_it_is, PLAIN, nothing()).await;
    let why = failure(&d).await;
    assert!(why.contains("\"a\" sees this node as"), "{why}");
    scene
        .refused(&["\"d\" sees this node as", "check_peeraddr"])
        .await;
    assert!(no_proof(&soon(said).await.unwrap()));
    assert!(d.links().is_empty());
    scene.undisturbed(as_it_is).await;
}

/// Whether nobody has said more than greeting and nonce.
fn no_proof(said: &[Vec<u8>; 2]) -> bool {
    let lines = |said: &Vec<u8>| said.iter().filter(|byte| **byte == b'\n').count();
    said.iter().all(|said| lines(said) == 2)
}

/// A message of the attacker: `["heard", "forged"]` in CBOR.
const FORGED: &[u8] = b"\x82\x65heard\x66forged";

/// What stays open without the check and without TLS. This test shows that the next one shows something.
#[tokio::test]
async fn behind_an_address_translation_he_reads_and_writes_what_is_not_encrypted() {
    let scene = Scene::new(translated).await;
    // A message glued to the proof of `d`, in the name of `d`.
    let forge = Arc::new(|end, number, mut bytes: Vec<u8>| {
        if (end, number) == (1, 2) {
            bytes.extend(FORGED);
        }
        bytes
    });
    let (d, said) = scene.between(translated, PLAIN, forge).await;
    soon(d.joined()).await.unwrap();
    let heard = scene.heard().await;
    assert_eq!(heard[0].tag().as_deref(), Some("forged"));
    d.send(&port("a#nobody"), ("confidential",));
    let asked = d.call(&port("a#echo"), ("echo", 7));
    let (n,): (u32,) = soon(asked).await.unwrap();
    assert_eq!(n, 7);
    soon(d.shutdown()).await;
    let [_, said] = soon(said).await.unwrap();
    assert!(contains(&said, b"confidential"));
}

#[tokio::test]
async fn behind_an_address_translation_tls_leaves_him_nothing_to_read_or_write() {
    let mut scene = Scene::new(encrypted).await;
    let armed = Arc::new(AtomicBool::new(false));
    let now = armed.clone();
    let forge = Arc::new(move |end, number, mut bytes: Vec<u8>| {
        if (end, number) == (1, TLS) && now.swap(false, Ordering::Relaxed) {
            bytes.extend(FORGED);
        }
        bytes
    });
    let (d, said) = scene.between(encrypted, TLS, forge).await;
    soon(d.joined()).await.unwrap();
    assert!(link(&scene.a, "d").await.tls().is_some());
    let asked = d.call(&port("a#echo"), ("echo", 7));
    let (n,): (u32,) = soon(asked).await.unwrap();
    assert_eq!(n, 7);
    assert!(matches!(scene.event().await, NodeEvent::Up(_)));
    armed.store(true, Ordering::Relaxed);
    d.send(&port("a#nobody"), ("confidential",));
    let NodeEvent::Down { reason, .. } = scene.event().await else {
        panic!("it is still up");
    };
    let why = reason.to_string();
    assert!(why.contains("changed on the way"), "{why}");
    soon(d.shutdown()).await;
    let [_, said] = soon(said).await.unwrap();
    assert!(!contains(&said, b"confidential"));
    scene.undisturbed(encrypted).await;
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
