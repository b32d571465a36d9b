//! A connection under the name of a node that keeps the node itself out.

use aemp::{Builder, LocalNode, NodeEvent};

use crate::nodes::{link, port, soon};
use crate::scene::{Scene, as_it_is, member};

async fn x(scene: &Scene) -> LocalNode {
    let x = member("x").seed(scene.at.to_string());
    let x = x.start().await.unwrap();
    soon(x.joined()).await.unwrap();
    x
}

#[tokio::test]
async fn who_has_proved_nothing_does_not_keep_out_the_node_whose_name_it_says() {
    let mut scene = Scene::new(as_it_is).await;
    let mut stranger = scene.dial().await;
    stranger.introduce("x", "json").await;
    let (greeting, nonce) = (stranger.line().await, stranger.line().await);
    assert!(greeting.starts_with("aemp;1;a;") && !nonce.is_empty());
    let x = x(&scene).await;
    let (n,): (u32,) = soon(x.call(&port("a#echo"), ("echo", 7))).await.unwrap();
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
    fn takes_cleartext(node: Builder) -> Builder {
        node.configure(|config| config.cleartext = true)
    }
    let mut scene = Scene::new(takes_cleartext).await;
    let mut dead = scene.dial().await;
    dead.greet("x", "json").await;
    let before = link(&scene.a, "x").await.generation();
    let gone = scene.a.gone(&port("x#port"));
    let x = x(&scene).await;
    // Its monitors have fired before the new link carries anything.
    let why = soon(gone).await.to_string();
    assert_eq!(
        why,
        "transport_error: x, no answer within 3 s when the same node connected anew"
    );
    let (n,): (u32,) = soon(x.call(&port("a#echo"), ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
    assert_eq!(link(&scene.a, "x").await.generation(), before + 1);
    dead.closed().await;
    assert!(matches!(scene.event().await, NodeEvent::Up(_)));
    assert!(matches!(scene.event().await, NodeEvent::Down { .. }));
    assert!(matches!(scene.event().await, NodeEvent::Up(_)));
    scene.undisturbed(takes_cleartext).await;
}
