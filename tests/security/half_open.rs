//! A connection under the name of a node that keeps the node itself out.

use std::time::Duration;

use aemp::{LocalNode, NodeEvent};

use crate::nodes::{link, soon};
use crate::scene::{Scene, Socket, as_it_is, baited, member, takes_cleartext};

async fn x(scene: &Scene) -> LocalNode {
    let x = member("x").seed(scene.at.to_string());
    let x = x.start().await.unwrap();
    soon(x.joined()).await.unwrap();
    x
}

/// A link to a node `x` that will not answer any more.
pub(crate) async fn dead(scene: &Scene) -> Socket {
    let mut dead = scene.dial().await;
    dead.greet("x", "json").await;
    link(&scene.a, "x").await;
    dead
}

#[tokio::test]
async fn who_has_proved_nothing_does_not_keep_out_the_node_whose_name_it_says() {
    let mut scene = Scene::new(as_it_is).await;
    let mut stranger = scene.dial().await;
    stranger.introduce("x", "json").await;
    let (greeting, nonce) = (stranger.line().await, stranger.line().await);
    assert!(greeting.starts_with("aemp;1;a;") && !nonce.is_empty());
    let x = x(&scene).await;
    let (n,): (u32,) = soon(x.call("a#echo", ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
    // The stranger gets nothing that it could prove itself with, now or later.
    stranger.authenticate("json").await;
    assert_eq!(stranger.line().await, "");
    scene.refused(&["\"x\"", "cleartext"]).await;
    assert!(matches!(scene.event().await, NodeEvent::Up(link) if link.peer() == "x"));
    scene.undisturbed(as_it_is).await;
}

#[tokio::test]
async fn a_link_whose_other_end_is_dead_gives_way_to_the_node_that_comes_back() {
    let mut scene = Scene::new(takes_cleartext).await;
    let mut dead = dead(&scene).await;
    let before = link(&scene.a, "x").await.generation();
    let gone = scene.a.gone("x#port");
    let x = x(&scene).await;
    // Its monitors have fired before the new link carries anything.
    let why = soon(gone).await.to_string();
    assert_eq!(
        why,
        "transport_error: x, no answer within 3 s when the same node connected anew"
    );
    let (n,): (u32,) = soon(x.call("a#echo", ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
    assert_eq!(link(&scene.a, "x").await.generation(), before + 1);
    dead.closed().await;
    assert!(matches!(scene.event().await, NodeEvent::Up(_)));
    assert!(matches!(scene.event().await, NodeEvent::Down { .. }));
    assert!(matches!(scene.event().await, NodeEvent::Up(_)));
    scene.undisturbed(takes_cleartext).await;
}

/// A node `a` whose seed answers in the name of `x` and proves nothing, with the connection to it, and the real `x`, which
/// dials `a` and waits so long for the opening.
pub(crate) async fn held_up(limit: Duration) -> (LocalNode, Socket, LocalNode) {
    let (a, socket) = baited(member("a").bind("127.0.0.1:0")).await;
    let mut stranger = Socket::from(socket);
    stranger.introduce("x", "json").await;
    for _ in 0..3 {
        assert_ne!(stranger.line().await, "", "the node proves itself first");
    }
    let x = member("x").seed(a.addresses()[0].to_string());
    let x = x.configure(|config| config.opening_timeout = limit);
    (a, stranger, x.start().await.unwrap())
}

/// For 3 s, which is within the time that `x` has.
#[tokio::test]
async fn who_answers_at_a_seed_in_the_name_of_a_node_does_not_keep_it_out() {
    let (a, mut stranger, x) = held_up(Duration::from_secs(15)).await;
    soon(x.joined()).await.unwrap();
    link(&a, "x").await;
    // The name is taken now.
    stranger.authenticate("json").await;
    stranger.closed().await;
    assert_eq!(link(&a, "x").await.generation(), 1);
}
