//! What can answer where a node dials: what was sent to it fails with a text that says what was wrong there, and
//! nobody else is disturbed.

use aemp::{NodeId, PortId, reason};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::common::{SECRET, linked, node, soon};
use crate::failures::Scene;
use crate::pipe::Pipe;
use crate::stranger::{Stranger, cleartext};

/// Says `lines` to everyone who comes, and `proof` to who has said a third line.
async fn answer(mut door: UnboundedReceiver<Pipe>, lines: String, proof: Option<String>) {
    while let Some(pipe) = door.recv().await {
        let mut stranger = Stranger::from(pipe);
        stranger.send(lines.as_bytes()).await;
        if let Some(proof) = &proof {
            for _ in 0..3 {
                stranger.line().await;
            }
            stranger.send(proof.as_bytes()).await;
        }
        if !lines.is_empty() && proof.as_deref() != Some("") {
            stranger.closed().await;
        }
    }
}

// The clock is virtual: a node goes on trying for `connect_interval`.
#[tokio::test(start_paused = true)]
async fn who_answers_wrongly_is_told_from_who_does_not_answer() {
    let scene = Scene::new(|_| ()).await;
    let right = "aemp;1;x;hmac_sha3_512;json\nnonce\n";
    let long = format!("aemp;1;{}", "x".repeat(5000));
    let wrong_proof = format!("hmac_sha3_512;{};json\n", "0".repeat(128));
    let cleartext = format!("{}\n", cleartext(SECRET, "json"));
    let cases: [(&str, Option<&str>, &str); 13] = [
        (
            "SSH-2.0-OpenSSH_9.9\r\n\r\n",
            None,
            "does not speak AEMP: expected protocol \"aemp\", found \"SSH-2.0-OpenSSH_9.9\"",
        ),
        (
            "aemp;2;x;hmac_sha3_512;json\nn\n",
            None,
            "speaks version \"2\" of AEMP, this node speaks version \"1\" only",
        ),
        (
            "aemp;1;a b;hmac_sha3_512;json\nn\n",
            None,
            "names no valid node: \"a b\"",
        ),
        (
            "aemp;1;b;hmac_sha3_512;json\nn\n",
            None,
            "says that it is \"b\", which is this node's own ID",
        ),
        (
            "aemp;1;y;hmac_sha3_512;json\nn\n",
            None,
            "\"y\" answers there, not \"x\"",
        ),
        (
            "aemp;1;x;hmac_sha3_512;storable\nn\n",
            None,
            "no codec in common: \"x\" reads \"storable\", this node writes \"cbor,json\"",
        ),
        (
            "aemp;1;x;hmac_sha3_512;json;role=d\nn\n",
            None,
            "\"x\" says that it dialled this connection, and so did this node",
        ),
        (
            "aemp;1;x;hmac_sha3_512;json;peeraddr=10.0.0.1:1\nn\n",
            None,
            "\"x\" sees this node as \"10.0.0.1:1\", but its own address",
        ),
        (&long, None, "greeting line is longer than 4096 bytes"),
        (
            right,
            Some(&wrong_proof),
            "\"x\" did not prove itself (its hmac_sha3_512 proof does not match): check that both have the same secret",
        ),
        (
            right,
            Some(&cleartext),
            "\"x\" authenticates with \"cleartext\", but this node accepts \"hmac_sha3_512\" here",
        ),
        (
            right,
            Some(""),
            "\"x\" closed the connection before it said anything (AEMP nodes never say why): it ended, its secret differs, or another node has this node's ID; its log may say more",
        ),
        (
            "",
            None,
            "the peer closed the connection without a greeting",
        ),
    ];
    let (x, port): (NodeId, PortId) = ("x".parse().unwrap(), "x#port".parse().unwrap());
    scene.b.set_peer_addresses(&x, ["mem:x".parse().unwrap()]);
    for (lines, proof, expected) in cases {
        let door = scene.network.accept_at("x");
        let script = tokio::spawn(answer(door, lines.into(), proof.map(String::from)));
        let gone = scene.b.gone(&port);
        let error = soon(scene.b.call::<()>(&port, ("hello",)))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            error.starts_with("\"x#port\" cannot answer: transport_error: x, mem:x: "),
            "{error}"
        );
        let why = soon(gone).await;
        assert_eq!(
            why.values()[..2],
            reason!["transport_error", "x"].values()[..]
        );
        assert!(why.to_string().contains(expected), "{why}");
        scene.undisturbed().await;
        script.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn who_accepts_and_says_nothing_is_given_up_at_the_deadline_of_the_opening() {
    let scene = Scene::new(|_| ()).await;
    let mut door = scene.network.accept_at("x");
    let (x, port): (NodeId, PortId) = ("x".parse().unwrap(), "x#port".parse().unwrap());
    scene.b.set_peer_addresses(&x, ["mem:x".parse().unwrap()]);
    let start = tokio::time::Instant::now();
    let gone = scene.b.gone(&port);
    let silent = soon(door.recv()).await;
    let why = soon(gone).await.to_string();
    assert_eq!(
        why,
        "transport_error: x, mem:x: the peer sent no greeting within 10s"
    );
    assert_eq!(start.elapsed().as_secs(), 10);
    scene.undisturbed().await;
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn who_ends_before_it_said_anything_is_not_said_to_have_refused_a_secret() {
    let scene = Scene::new(|_| ()).await;
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let gone = scene.a.gone("x#port");
    stranger.close().await;
    let why = soon(gone).await.to_string();
    assert_eq!(
        why,
        "transport_error: x, \"x\" closed the connection before it sent a message, although both had proved themselves \
         (AEMP nodes never say why): it ended, or another node has this node's ID; its log may say more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_id_is_taken_and_who_refuses_it_say_so() {
    let scene = Scene::new(|_| ()).await;
    let twin = |seed: &str| node("b", &scene.network).seed(seed).start();
    let second = twin("mem:a").await.unwrap();
    let error = aemp::error::Report(&soon(second.joined()).await.unwrap_err()).to_string();
    let said = "\"a\" closed the connection before it said anything (AEMP nodes never say why): it ended, its secret \
                differs, or another node has this node's ID; its log may say more";
    assert!(error.contains(said), "{error}");
    // The end that knows says it, with the name.
    let refused = "\"b\" has another connection that is open and alive: it connected twice, or two nodes have this ID";
    assert!(
        !scene
            .log
            .with(&["a connection was refused", refused])
            .is_empty()
    );

    // Who meets its own ID at the other end knows as well.
    let first = node("b", &scene.network)
        .bind("mem:twin")
        .start()
        .await
        .unwrap();
    let third = twin("mem:twin").await.unwrap();
    let error = aemp::error::Report(&soon(third.joined()).await.unwrap_err()).to_string();
    let said = "says that it is \"b\", which is this node's own ID, and it is another node: give each an ID of its own";
    assert!(error.contains(said), "{error}");
    drop(first);
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn the_sender_of_a_message_that_its_peer_refuses_learns_what_may_have_been_too_long() {
    let scene = Scene::new(|config| config.limits.message_size = 1 << 20).await;
    let port: PortId = "a#port".parse().unwrap();
    let refused = scene.b.gone(&port);
    scene.b.send(&port, ("x".repeat(2 << 20),));
    let why = soon(refused).await.to_string();
    let parts = [
        "a message of 2097",
        "bytes to \"a#port\"",
        "at most 16777216 bytes, 1000000 values",
        "its log",
    ];
    assert!(parts.iter().all(|part| why.contains(part)), "{why}");

    // What was sent long before, or is short, is not blamed.
    linked(&scene.b, "a").await;
    scene.b.send(&port, ("x".repeat(1 << 19),));
    let lost = scene.b.gone(&port);
    scene.a.shutdown().await;
    let why = soon(lost).await.to_string();
    assert!(!why.contains("bytes"), "{why}");
}
