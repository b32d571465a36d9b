//! Offers that are taken out of a greeting on the way, and the field of the auth line that no proof covers.

use std::sync::Arc;

use aemp::{LocalNode, NodeBuilder, NodeEvent};
use tokio::task::JoinHandle;

use crate::middle::{Change, PLAIN, nothing};
use crate::nodes::{SECRET, soon};
use crate::scene::{Kind, Scene, encrypted, failure, translated};

/// Replaces `from` by `to` in the line of this number of both ends.
pub(crate) fn replaced(number: usize, from: &'static str, to: &'static str) -> Change {
    Arc::new(move |_, line, bytes| match line == number {
        true => {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(from, to).into_bytes()
        }
        false => bytes,
    })
}

#[tokio::test]
async fn a_framing_that_was_taken_out_of_both_greetings_is_missed_in_the_proof() {
    let scene = Scene::new(translated).await;
    let change = replaced(0, ";cbor,json;", ";json;");
    let (d, said) = scene.between(translated, PLAIN, change).await;
    scene.refused(&["\"d\" did not prove itself"]).await;
    let why = failure(&d).await;
    assert!(why.contains("\"a\" closed the connection"), "{why}");
    soon(said).await.unwrap();
    scene.undisturbed(translated).await;
}

#[tokio::test]
async fn no_node_is_made_to_say_its_secret_in_clear_text() {
    // Both accept it, as for the three-line peer.
    fn accepts(node: NodeBuilder) -> NodeBuilder {
        translated(node).configure(|config| config.cleartext = true)
    }
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let scene = Scene::new(accepts).await;
    let change = replaced(0, "hmac_sha3_512,cleartext", "cleartext");
    let (d, said) = scene.between(accepts, PLAIN, change).await;
    scene
        .refused(&["no auth method in common", "\"d\" accepts \"cleartext\""])
        .await;
    let why = failure(&d).await;
    assert!(why.contains("no auth method in common"), "{why}");
    for said in soon(said).await.unwrap() {
        assert!(!String::from_utf8(said).unwrap().contains(&hex));
    }
    scene.undisturbed(accepts).await;
}

#[tokio::test]
async fn an_offer_of_tls_that_was_taken_out_is_missed_by_who_has_a_certificate() {
    let scene = Scene::new(encrypted).await;
    let change = replaced(0, ";tls=1.0", "");
    let (d, said) = scene.between(encrypted, PLAIN, change).await;
    scene.refused(&["\"d\" does not offer TLS"]).await;
    let why = failure(&d).await;
    assert!(why.contains("\"a\" does not offer TLS"), "{why}");
    soon(said).await.unwrap();
    scene.undisturbed(encrypted).await;
}

/// A node with a certificate that makes do without TLS.
pub(crate) fn falls_back(node: NodeBuilder) -> NodeBuilder {
    encrypted(node).configure(|config| config.tls_fallback = true)
}

#[tokio::test]
async fn an_offer_of_tls_that_was_taken_out_is_missed_in_the_proof_by_who_falls_back() {
    let scene = Scene::new(falls_back).await;
    let change = replaced(0, ";tls=1.0", "");
    let (d, said) = scene.between(falls_back, PLAIN, change).await;
    scene.refused(&["\"d\" did not prove itself"]).await;
    let why = failure(&d).await;
    assert!(why.contains("\"a\" closed the connection"), "{why}");
    soon(said).await.unwrap();
    scene.undisturbed(falls_back).await;
}

#[tokio::test]
async fn who_has_a_certificate_says_nothing_to_a_member_without_one() {
    let scene = Scene::new(encrypted).await;
    let (d, said) = scene.between(translated, PLAIN, nothing()).await;
    scene.refused(&["\"d\" does not offer TLS"]).await;
    assert!(soon(d.joined()).await.is_err());
    let [of_a, _] = soon(said).await.unwrap();
    assert_eq!(of_a.iter().filter(|byte| **byte == b'\n').count(), 2);
    scene.undisturbed(encrypted).await;
}

#[tokio::test]
async fn the_framing_of_the_auth_line_must_be_one_that_was_offered() {
    let scene = Scene::new(translated).await;
    let change = replaced(2, ";cbor", ";storable");
    let (d, said) = scene.between(translated, PLAIN, change).await;
    scene
        .refused(&["\"d\" wants to send in framing \"storable\"", "cbor,json"])
        .await;
    let why = failure(&d).await;
    assert!(why.contains("\"a\" closed the connection"), "{why}");
    soon(said).await.unwrap();
    scene.undisturbed(translated).await;
}

fn json_first(node: NodeBuilder) -> NodeBuilder {
    translated(node).codecs(["json", "cbor"])
}

/// A kind of node whose messages are taken for those of another codec, and why that one cannot read them.
pub(crate) const OTHER_CODEC: [(Kind, &str, &str, &str); 2] = [
    (translated, ";cbor", ";json", "which no json message does"),
    (json_first, ";json", ";cbor", "which no cbor message does"),
];

/// Lets a node `d` join `a`, and changes the framing that it says.
pub(crate) async fn misread(
    scene: &Scene,
    kind: Kind,
    said: &'static str,
    made: &'static str,
) -> (LocalNode, JoinHandle<[Vec<u8>; 2]>) {
    let pass = replaced(2, said, made);
    // What `a` says stays as it is.
    let pass: Change = Arc::new(move |end, line, bytes| match end {
        0 => bytes,
        _ => pass(end, line, bytes),
    });
    scene.between(kind, PLAIN, pass).await
}

/// No proof covers it, so both ends open. The first byte of the first message ends the link: nobody waits for ever, and nothing
/// is delivered.
#[tokio::test]
async fn the_framing_of_the_other_codec_ends_the_link_at_the_first_byte() {
    for (kind, said, made, why) in OTHER_CODEC {
        let mut scene = Scene::new(kind).await;
        let (d, joined) = misread(&scene, kind, said, made).await;
        let mut events = d.events();
        d.send("a#heard", ("hello",));
        assert!(matches!(scene.event().await, NodeEvent::Up(link) if link.peer() == "d"));
        let NodeEvent::Down { reason, .. } = scene.event().await else {
            panic!("it is still up");
        };
        let reason = reason.to_string();
        assert!(reason.contains(why), "{reason}");
        // The other end has it that the link is gone.
        while !matches!(soon(events.recv()).await.unwrap(), NodeEvent::Down { .. }) {}
        soon(joined).await.unwrap();
        soon(d.shutdown()).await;
        scene.undisturbed(kind).await;
    }
}
