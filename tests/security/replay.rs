//! Lines of a recorded session sent again, and a node's own lines sent back to it.

use aemp::LocalNode;
use aemp::handshake::Role;

use crate::middle::{PLAIN, nothing};
use crate::nodes::soon;
use crate::scene::{Scene, Socket, as_it_is, baited, failure, member, translated};

/// Replaces the role in a greeting.
fn as_role(greeting: &str, role: Role) -> String {
    let (from, to) = match role {
        Role::Dialer => ("role=a", "role=d"),
        Role::Acceptor => ("role=d", "role=a"),
    };
    greeting.replace(from, to)
}

/// What `a` and a node `d` have said in a session that is over.
pub(crate) async fn record(scene: &mut Scene) -> [Vec<u8>; 2] {
    let (d, said) = scene.between(translated, PLAIN, nothing()).await;
    soon(d.joined()).await.unwrap();
    soon(d.shutdown()).await;
    scene.gone("d").await;
    soon(said).await.unwrap()
}

#[tokio::test]
async fn a_recorded_session_opens_no_second_one_with_either_end() {
    // The check of addresses would refuse both before the proof does.
    let mut scene = Scene::new(translated).await;
    let [of_a, of_d] = record(&mut scene).await;

    let mut stranger = scene.dial().await;
    stranger.send(&of_d).await;
    stranger.closed().await;
    scene.refused(&["\"d\" did not prove itself"]).await;

    let (d, socket) = baited(translated(member("d"))).await;
    let mut stranger = Socket::from(socket);
    stranger.send(&of_a).await;
    let why = failure(&d).await;
    assert!(why.contains("\"a\" did not prove itself"), "{why}");
    assert!(d.connections().is_empty());
    scene.undisturbed(translated).await;
}

#[tokio::test]
async fn a_node_knows_its_own_lines_again() {
    let scene = Scene::new(as_it_is).await;
    let mut stranger = scene.dial().await;
    let (greeting, nonce) = (stranger.line().await, stranger.line().await);
    stranger.send(format!("{greeting}{nonce}").as_bytes()).await;
    stranger.closed().await;
    scene.refused(&["sends our own nonce line back"]).await;

    // The lines of one connection on another.
    let (mut one, mut other) = (scene.dial().await, scene.dial().await);
    let lines = [
        one.line().await,
        one.line().await,
        other.line().await,
        other.line().await,
    ];
    one.send(lines[2..].concat().as_bytes()).await;
    other.send(lines[..2].concat().as_bytes()).await;
    one.closed().await;
    other.closed().await;
    scene.refused(&["which is this node's own ID"]).await;
    scene.undisturbed(as_it_is).await;
}

/// Answers a dialer `d` as node `x`, with its own greeting and its own proof. Returns the dialer, the connection, greeting and
/// proof.
pub(crate) async fn reflect() -> (LocalNode, Socket, String, String) {
    let (d, socket) = baited(translated(member("d"))).await;
    let mut stranger = Socket::from(socket);
    let greeting = as_role(&stranger.line().await, Role::Acceptor);
    let greeting = greeting.replacen(";d;", ";x;", 1);
    stranger.send(greeting.as_bytes()).await;
    stranger.send(b"nonce\n").await;
    let _nonce = stranger.line().await;
    let proof = stranger.line().await;
    assert!(proof.starts_with("hmac_sha3_512;"), "{proof}");
    stranger.send(proof.as_bytes()).await;
    (d, stranger, greeting, proof)
}

#[tokio::test]
async fn the_proof_of_a_dialer_that_is_sent_back_to_it_proves_nothing() {
    let scene = Scene::new(translated).await;
    let (d, _stranger, greeting, proof) = reflect().await;
    let why = failure(&d).await;
    assert!(why.contains("\"x\" did not prove itself"), "{why}");
    assert!(d.connections().is_empty());

    // Nor is it one for a node that has not heard the same lines.
    let mut stranger = scene.dial().await;
    let lines = as_role(&greeting, Role::Dialer).replacen(";x;", ";d;", 1);
    stranger
        .send(format!("{lines}nonce\n{proof}").as_bytes())
        .await;
    stranger.closed().await;
    scene.refused(&["\"d\" did not prove itself"]).await;
    scene.undisturbed(translated).await;
}

#[tokio::test]
async fn a_node_that_is_dialled_gives_no_proof_to_a_stranger() {
    let scene = Scene::new(as_it_is).await;
    let mut stranger = scene.dial().await;
    stranger.prove("x", "json").await;
    assert!(stranger.line().await.starts_with("aemp;1;a;"));
    assert_ne!(stranger.line().await, "");
    assert_eq!(stranger.line().await, "", "no auth line");
    scene.refused(&["\"x\""]).await;
    scene.undisturbed(as_it_is).await;
}
