//! The bridge: a stranger without the secret joins two nodes that have it, and passes each one's lines to the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aemp::handshake::Role::{self, Acceptor, Dialer};
use aemp::{LocalNode, NodeEvent};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::middle::{Change, PLAIN, TLS, join, nothing};
use crate::nodes::{link, soon};
use crate::scene::{
    Kind, Scene, as_it_is, baited, certified, contains, encrypted, failure, member, translated,
};

/// Two nodes that the attacker joins: he dials an acceptor, and a dialer dials him.
type Ends = [(&'static str, Role); 2];

pub(crate) const HE_DIALS_BOTH: Ends = [("a", Acceptor), ("b", Acceptor)];
pub(crate) const BOTH_DIAL_HIM: Ends = [("c", Dialer), ("d", Dialer)];
pub(crate) const ONE_OF_EACH: Ends = [("a", Acceptor), ("d", Dialer)];

/// The nodes, and what the attacker hears of them.
pub(crate) struct Bridge {
    ends: Ends,
    pub(crate) nodes: [LocalNode; 2],
    said: JoinHandle<[Vec<u8>; 2]>,
}

impl Bridge {
    /// Lets the attacker join two nodes of this kind, of which `a` is that of the scene, and change what they say by `pass`.
    pub(crate) async fn new(
        scene: &Scene,
        (kind, lines): (Kind, usize),
        ends: Ends,
        pass: Change,
    ) -> Self {
        let (one, to_one) = end(scene, kind, ends[0]).await;
        let (other, to_other) = end(scene, kind, ends[1]).await;
        Self {
            ends,
            nodes: [one, other],
            said: tokio::spawn(join([to_one, to_other], lines, pass)),
        }
    }

    /// Both refuse, for what `why` makes of the name of the other, before either has said more than greeting and nonce.
    async fn refused(self, scene: &Scene, why: impl Fn(&str) -> String) {
        for (at, node) in self.nodes.iter().enumerate() {
            let (other, _) = self.ends[1 - at];
            let why = why(other);
            match self.ends[at].1 {
                Acceptor => scene.refused(&[&why]).await,
                Dialer => {
                    let failure = failure(node).await;
                    assert!(failure.contains(&why), "{failure}");
                }
            }
            assert!(node.connections().iter().all(|link| link.peer() != other));
        }
        for said in soon(self.said).await.unwrap() {
            let lines = said.iter().filter(|byte| **byte == b'\n').count();
            assert!(lines == 2 && said.ends_with(b"\n"), "{said:?}");
        }
    }

    /// All that both have said, after the end of the second.
    pub(crate) async fn said(self) -> [Vec<u8>; 2] {
        let [_, node] = self.nodes;
        soon(node.shutdown()).await;
        soon(self.said).await.unwrap()
    }
}

/// A node, and the attacker's connection to it.
async fn end(scene: &Scene, kind: Kind, (name, role): (&str, Role)) -> (LocalNode, TcpStream) {
    match role {
        Dialer => baited(kind(member(name))).await,
        Acceptor if name == "a" => (scene.a.clone(), scene.connect().await),
        Acceptor => {
            let node = kind(member(name)).bind("127.0.0.1:0");
            let node = node.start().await.unwrap();
            let at = node.addresses()[0].to_string();
            (node, TcpStream::connect(at).await.unwrap())
        }
    }
}

/// With the check of addresses and without, in plain text and with TLS.
const KINDS: [(Kind, usize); 4] = [
    (as_it_is, PLAIN),
    (translated, PLAIN),
    (certified, TLS),
    (encrypted, TLS),
];

#[tokio::test]
async fn two_nodes_that_the_attacker_has_dialled_refuse_each_other() {
    for kind in KINDS {
        let scene = Scene::new(kind.0).await;
        let bridge = Bridge::new(&scene, kind, HE_DIALS_BOTH, nothing()).await;
        let why =
            |peer: &str| format!("{peer:?} says that it accepted this connection, and so did this");
        bridge.refused(&scene, why).await;
        scene.undisturbed(kind.0).await;
    }
}

#[tokio::test]
async fn two_nodes_that_have_dialled_the_attacker_refuse_each_other() {
    for kind in KINDS {
        let scene = Scene::new(kind.0).await;
        let bridge = Bridge::new(&scene, kind, BOTH_DIAL_HIM, nothing()).await;
        let why =
            |peer: &str| format!("{peer:?} says that it dialled this connection, and so did this");
        bridge.refused(&scene, why).await;
        scene.undisturbed(kind.0).await;
    }
}

#[tokio::test]
async fn a_node_that_has_dialled_the_attacker_and_one_that_he_has_dialled_see_the_wrong_address() {
    for kind in [(as_it_is as Kind, PLAIN), (certified, TLS)] {
        let scene = Scene::new(kind.0).await;
        let bridge = Bridge::new(&scene, kind, ONE_OF_EACH, nothing()).await;
        let why = |peer: &str| format!("{peer:?} sees this node as");
        bridge.refused(&scene, why).await;
        scene.refused(&["check_peeraddr"]).await;
        scene.undisturbed(kind.0).await;
    }
}

/// A message of the attacker: `["heard", "forged"]` in CBOR.
pub(crate) const FORGED: &[u8] = b"\x82\x65heard\x66forged";

/// What stays open without the check and without TLS. This test shows that the next one shows something.
#[tokio::test]
async fn behind_an_address_translation_he_reads_and_writes_what_is_not_encrypted() {
    let kind = (translated as Kind, PLAIN);
    let scene = Scene::new(kind.0).await;
    // A message glued to the proof of `d`, in the name of `d`.
    let forge = Arc::new(|end, number, mut bytes: Vec<u8>| {
        if (end, number) == (1, 2) {
            bytes.extend(FORGED);
        }
        bytes
    });
    let bridge = Bridge::new(&scene, kind, ONE_OF_EACH, forge).await;
    let [_, d] = &bridge.nodes;
    soon(d.joined()).await.unwrap();
    let heard = scene.heard().await;
    assert_eq!(heard[0].tag().as_deref(), Some("forged"));
    d.send("a#nobody", ("confidential",));
    let asked = d.call("a#echo", ("echo", 7));
    let (n,): (u32,) = soon(asked).await.unwrap();
    assert_eq!(n, 7);
    let [_, said] = bridge.said().await;
    assert!(contains(&said, b"confidential"));
}

#[tokio::test]
async fn behind_an_address_translation_tls_leaves_him_nothing_to_read_or_write() {
    let kind = (encrypted as Kind, TLS);
    let mut scene = Scene::new(kind.0).await;
    let armed = Arc::new(AtomicBool::new(false));
    let now = armed.clone();
    let forge = Arc::new(move |end, number, mut bytes: Vec<u8>| {
        if (end, number) == (1, TLS) && now.swap(false, Ordering::Relaxed) {
            bytes.extend(FORGED);
        }
        bytes
    });
    let bridge = Bridge::new(&scene, kind, ONE_OF_EACH, forge).await;
    let [_, d] = &bridge.nodes;
    soon(d.joined()).await.unwrap();
    assert!(link(&scene.a, "d").await.tls().is_some());
    let asked = d.call("a#echo", ("echo", 7));
    let (n,): (u32,) = soon(asked).await.unwrap();
    assert_eq!(n, 7);
    assert!(matches!(scene.event().await, NodeEvent::Up(_)));
    armed.store(true, Ordering::Relaxed);
    d.send("a#nobody", ("confidential",));
    let NodeEvent::Down { reason, .. } = scene.event().await else {
        panic!("it is still up");
    };
    let why = reason.to_string();
    assert!(why.contains("changed on the way"), "{why}");
    let [_, said] = bridge.said().await;
    assert!(!contains(&said, b"confidential"));
    scene.undisturbed(kind.0).await;
}
