//! Relays: a message that a peer has passed on arrives as it is or not at all, and asks for nothing in another's name.

use aemp::stats::ConnectionStats;
use aemp::{PortId, Value};

use crate::common::{Network, linked, node, soon, until};
use crate::failures::Scene;
use crate::stranger::Stranger;

fn stats(scene: &Scene, peer: &str) -> ConnectionStats {
    let links = scene.a.stats().connections.into_iter();
    let mut found = links.filter(|link| link.info.peer() == peer);
    found.next().expect("the connection stands")
}

#[tokio::test(start_paused = true)]
async fn what_the_other_connection_cannot_carry_is_dropped_counted_and_logged() {
    let scene = Scene::new(|_| ()).await;
    let json = node("json", &scene.network).codecs(["json"]).seed("mem:a");
    let json = json.start().await.unwrap();
    soon(json.joined()).await.unwrap();
    let mut inbox = json.inbox();
    let to = inbox.id().to_string();
    let relay: PortId = "a#".parse().unwrap();
    for value in [
        Value::from(vec![0_u8, 255].into_iter().collect::<bytes::Bytes>()),
        Value::from(f64::NAN),
        Value::from("fits"),
    ] {
        scene.b.send(&relay, ("snd", &to, value));
    }
    let (arrived,): (Value,) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(arrived, Value::from("fits"));
    assert_eq!(stats(&scene, "b").refused, 2);
    let lines = scene.log.with(&["not passed on", "from=b", "holds bytes"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn no_request_is_passed_on_to_another_node_and_no_chain_to_any() {
    let scene = Scene::new(|_| ()).await;
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let requests = [
        // In this node's name.
        r#"["","snd","b#","kil1","port","die"]"#,
        r#"["","time","b#","kil1","port","die"]"#,
        r#"["","time","b#","g_upd","family",{"key":1}]"#,
        r#"["","can","time","b#","mon1","port"]"#,
        r#"["","snd","a#","mon1","port"]"#,
        // Chains.
        r#"["","snd","x#","snd","x#","snd","x#",""]"#,
        r#"["","time","x#","time","a#","time","x#"]"#,
        r#"["","snd","a#","snd","a#","snd","a#",""]"#,
    ];
    let before = stats(&scene, "b").sent;
    for request in requests {
        stranger.send(request.as_bytes()).await;
    }
    let refused = || stats(&scene, "x").refused == requests.len() as u64;
    until("all are refused", refused).await;
    assert_eq!(stats(&scene, "b").sent, before);
    // What the stranger asks for itself it gets: this is how nodes see whether a connection is alive.
    stranger.send(br#"["","snd","x#",""]"#).await;
    stranger.until(r#"["",""]"#).await;
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_makes_a_node_dial_by_a_relay() {
    let scene = Scene::new(|_| ()).await;
    let network: &Network = &scene.network;
    let mut dialled = network.accept_at("c");
    scene
        .a
        .set_peer_addresses(&"c".parse().unwrap(), ["mem:c".parse().unwrap()]);
    scene.b.send("a#", ("snd", "c#port", "hello"));
    until("it is refused", || stats(&scene, "b").refused == 1).await;
    assert!(dialled.try_recv().is_err());
}
