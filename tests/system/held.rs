//! What members can make a node hold, each of them and all together.

use aemp::{LocalNode, routes};

use crate::common::{linked, soon, until};
use crate::failures::Scene;
use crate::stranger::Stranger;

fn spawn(name: &str) -> String {
    format!(r#"["","AnyEvent::MP::_spawn","{name}","worker"]"#)
}

async fn ports(node: &LocalNode, beginning: &str) -> usize {
    let ports = node.ports().await;
    let all = ports.iter().map(|port| port.name.as_str());
    all.filter(|name| name.starts_with(beginning)).count()
}

/// Waits until the node has handled what the stranger has sent.
async fn handled(stranger: &mut Stranger, id: &str) {
    stranger
        .send(format!(r#"["","snd","{id}#me",2]"#).as_bytes())
        .await;
    stranger.until("[\"me\",2]").await;
}

#[tokio::test]
async fn ports_that_peers_spawn_have_a_limit_for_each_and_for_all() {
    let scene = Scene::new(|config| {
        config.peer_ports = 10;
        config.spawned_ports = 25;
    })
    .await;
    scene.a.offer("worker", |_: &LocalNode, (): ()| routes());
    let mut strangers = Vec::new();
    for id in ["x", "y", "z"] {
        let mut stranger = Stranger::join(&scene.network, "a", id).await;
        for n in 0..20 {
            stranger.send(spawn(&format!("{id}{n}")).as_bytes()).await;
        }
        handled(&mut stranger, id).await;
        strangers.push(stranger);
    }
    let mut living = Vec::new();
    for id in ["x", "y", "z"] {
        living.push(ports(&scene.a, id).await);
    }
    assert_eq!(living, [10, 10, 5]);
    let refused = scene
        .log
        .with(&["a spawn over the limit", "from=x", "peer_ports"]);
    assert_eq!(refused.len(), 10);
    let refused = scene
        .log
        .with(&["a spawn over the limit", "from=z", "spawned_ports"]);
    assert_eq!(refused.len(), 15);
    // Its link is well, and what has died does not count; a new connection has no new share.
    strangers[0].send(br#"["","kil1","x0"]"#).await;
    handled(&mut strangers[0], "x").await;
    strangers.remove(0).close().await;
    crate::common::unlinked(&scene.a, "x").await;
    let mut again = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    for n in 20..30 {
        again.send(spawn(&format!("x{n}")).as_bytes()).await;
    }
    handled(&mut again, "x").await;
    assert_eq!(ports(&scene.a, "x").await, 10);
    scene.undisturbed().await;
}

#[tokio::test]
async fn a_port_is_not_spawned_under_a_name_that_is_too_long() {
    let scene = Scene::new(|_| ()).await;
    scene.a.offer("worker", |_: &LocalNode, (): ()| routes());
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    for length in [1024, 1025] {
        stranger.send(spawn(&"n".repeat(length)).as_bytes()).await;
    }
    handled(&mut stranger, "x").await;
    assert_eq!(ports(&scene.a, "nnn").await, 1);
    scene.undisturbed().await;
}

#[tokio::test]
async fn connections_that_others_have_opened_have_a_limit() {
    // One is that of node b.
    let scene = Scene::new(|config| config.links = 3).await;
    let mut strangers = Vec::new();
    for id in ["x", "y"] {
        strangers.push(Stranger::join(&scene.network, "a", id).await);
        linked(&scene.a, id).await;
    }
    let mut late = Stranger::dial(&scene.network, "a");
    late.prove("z", "json").await;
    let (_greeting, _nonce) = (late.line().await, late.line().await);
    assert_eq!(late.line().await, "", "the node closes without a proof");
    let refused = scene.log.with(&[
        "a connection was refused",
        "\"z\"",
        "more than 3",
        "(links)",
    ]);
    assert_eq!(refused.len(), 1);
    // One that ends makes room, and what this node dials does not count.
    strangers[0].close().await;
    crate::common::unlinked(&scene.a, "x").await;
    let _z = Stranger::join(&scene.network, "a", "z").await;
    linked(&scene.a, "z").await;
    let mut dialled = scene.network.accept_at("w");
    scene
        .a
        .add_peer(&"w".parse().unwrap(), ["mem:w".parse().unwrap()]);
    scene.a.send(&"w#port".parse().unwrap(), ("hello",));
    let mut w = Stranger::from(soon(dialled.recv()).await.unwrap());
    w.greet("w", "json").await;
    until("four links are up", || scene.a.links().len() == 4).await;
    scene.undisturbed().await;
}
