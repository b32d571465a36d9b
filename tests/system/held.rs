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
            stranger
                .send(spawn(&format!("worker/{id}{n}")).as_bytes())
                .await;
        }
        handled(&mut stranger, id).await;
        strangers.push(stranger);
    }
    let mut living = Vec::new();
    for id in ["x", "y", "z"] {
        living.push(ports(&scene.a, &format!("worker/{id}")).await);
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
    strangers[0].send(br#"["","kil1","worker/x0"]"#).await;
    handled(&mut strangers[0], "x").await;
    strangers.remove(0).close().await;
    crate::common::unlinked(&scene.a, "x").await;
    let mut again = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    for n in 20..30 {
        again.send(spawn(&format!("worker/x{n}")).as_bytes()).await;
    }
    handled(&mut again, "x").await;
    assert_eq!(ports(&scene.a, "worker/x").await, 10);
    scene.undisturbed().await;
}

#[tokio::test]
async fn a_port_is_not_spawned_under_a_name_that_is_too_long() {
    let scene = Scene::new(|_| ()).await;
    scene.a.offer("worker", |_: &LocalNode, (): ()| routes());
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    for length in [1024, 1025] {
        stranger
            .send(spawn(&format!("name/{}", "n".repeat(length - 5))).as_bytes())
            .await;
    }
    handled(&mut stranger, "x").await;
    assert_eq!(ports(&scene.a, "name/").await, 1);
    scene.undisturbed().await;
}

#[tokio::test]
async fn connections_that_others_have_opened_have_a_limit() {
    // One is that of node b.
    let scene = Scene::new(|config| config.max_accepted_connections = 3).await;
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
        "(max_accepted_connections)",
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
        .set_peer_addresses(&"w".parse().unwrap(), ["mem:w".parse().unwrap()]);
    scene.a.send("w#port", ("hello",));
    let mut w = Stranger::from(soon(dialled.recv()).await.unwrap());
    w.greet("w", "json").await;
    until("four links are up", || scene.a.connections().len() == 4).await;
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn one_member_under_many_names_lets_no_more_wait_than_all_peers_may() {
    let scene = Scene::new(|config| {
        config.liveness_check = false;
        config.peers_limit = 8 << 20;
    })
    .await;
    let names: Vec<String> = (0..10).map(|n| format!("x{n}")).collect();
    // They read nothing. The last has least in its queue, and so is well, as is everybody else.
    let mut strangers = Vec::new();
    for name in &names {
        strangers.push(Stranger::join(&scene.network, "a", name).await);
        linked(&scene.a, name).await;
    }
    let lost: Vec<_> = names
        .iter()
        .map(|name| scene.a.gone(format!("{name}#port")))
        .collect();
    for (at, name) in names.iter().enumerate() {
        let count = if at == 9 { 1 } else { 3 };
        for _ in 0..count {
            let to = format!("{name}#port");
            scene.a.send(to, ("x".repeat(1 << 20),));
        }
    }
    let queued = || -> usize {
        scene
            .a
            .stats()
            .connections
            .iter()
            .map(|link| link.queued)
            .sum()
    };
    until("what waits is within the limit", || {
        queued() <= (8 << 20) + (10 << 19)
    })
    .await;
    assert!(scene.a.connections().iter().any(|link| link.peer() == "x9"));
    // No more than had to.
    assert!(queued() > 4 << 20, "{} bytes", queued());
    let mut said = 0;
    for lost in lost {
        let lost = tokio::time::timeout(std::time::Duration::from_millis(1), lost);
        if let Ok(why) = lost.await {
            assert!(
                why.to_string()
                    .contains("more than 8388608 bytes are held for all peers (peers_limit), and most for this one"),
                "{why}"
            );
            said += 1;
        }
    }
    assert!((4..9).contains(&said), "{said}");
    scene.undisturbed().await;

    // What waits for connections counts as well.
    let mut silent = Vec::new();
    let mut lost = tokio::task::JoinSet::new();
    for n in 0..10 {
        let name = format!("w{n}");
        silent.push(scene.network.accept_at(&name));
        let address = format!("mem:{name}").parse().unwrap();
        scene
            .a
            .set_peer_addresses(&name.parse().unwrap(), [address]);
        for _ in 0..3 {
            let to = format!("{name}#port");
            scene.a.send(to, ("x".repeat(1 << 20),));
        }
        lost.spawn(scene.a.gone(format!("{name}#port")));
    }
    let why = soon(lost.join_next()).await.unwrap().unwrap().to_string();
    assert!(why.contains("peers_limit"), "{why}");
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_read_and_monitors_count_towards_what_is_held_for_all_peers() {
    let scene = Scene::new(|config| {
        config.liveness_check = false;
        config.peers_limit = 8 << 20;
    })
    .await;
    // Messages that never become whole.
    let mut strangers = Vec::new();
    for n in 0..10 {
        let id = format!("x{n}");
        let mut stranger = Stranger::join(&scene.network, "a", &id).await;
        linked(&scene.a, &id).await;
        stranger
            .send(format!("[\"port\",\"{}", "x".repeat(2 << 20)).as_bytes())
            .await;
        strangers.push(stranger);
    }
    until("one has to go", || scene.a.connections().len() < 11).await;
    let said = scene
        .log
        .with(&["node down", "are held for all peers (peers_limit)"]);
    assert!(!said.is_empty());
    scene.undisturbed().await;
    strangers.clear();
    until("the others are gone", || scene.a.connections().len() == 1).await;

    // 70,000 monitors and more: one that holds few is well.
    let port = scene.a.port_of(routes()).port().to_string();
    let request = format!("[\"\",\"mon1\",\"{port}\"]");
    let mut few = Stranger::join(&scene.network, "a", "few").await;
    few.send(request.as_bytes()).await;
    let mut many = Stranger::join(&scene.network, "a", "many").await;
    linked(&scene.a, "many").await;
    for _ in 0..80 {
        many.send(request.repeat(1000).as_bytes()).await;
    }
    crate::common::unlinked(&scene.a, "many").await;
    handled(&mut few, "few").await;
    scene.undisturbed().await;
}
