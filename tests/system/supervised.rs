//! Supervision of ports on another node.

use std::time::Duration;

use aemp::{LocalNode, NodeId, PortId, Supervision, reason, routes};

use crate::common::{Network, linked, node, soon};

async fn server(network: &Network) -> LocalNode {
    let server = node("server", network).bind("mem:server");
    let server = server.on_start(|node| {
        node.offer("pool::worker", |_, (name,): (String,)| {
            routes().on("who", move |cx, (reply,): (PortId,)| {
                cx.send(&reply, (name.as_str(),))
            })
        });
    });
    server.start().await.unwrap()
}

/// The answer of the child, which may be about to be started.
async fn answer(client: &LocalNode, child: impl Fn() -> Option<PortId>) -> (PortId, String) {
    let found = async {
        loop {
            if let Some(port) = child()
                && let Ok((name,)) = client.call::<(String,)>(&port, ("who",)).await
            {
                return (port, name);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found)
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_child_elsewhere_is_started_again_when_it_dies_and_when_its_node_returns() {
    let network = Network::default();
    let there = server(&network).await;
    let client = node("client", &network)
        .seed("mem:server")
        .start()
        .await
        .unwrap();
    soon(client.joined()).await.unwrap();
    let at = NodeId::new("server").unwrap();
    let pool = client.supervise(
        Supervision::one_for_one()
            .restart_limit(100, Duration::from_secs(60))
            .child("worker", move |node| {
                node.spawn(&at, "pool::worker", ("w1",))
            }),
    );
    let (first, name) = answer(&client, || pool.child("worker")).await;
    assert_eq!((first.node().as_str(), name.as_str()), ("server", "w1"));

    client.kill(&first, reason!["broken"]);
    let next = |before: &PortId| pool.child("worker").filter(|port| port != before);
    let (second, _) = answer(&client, || next(&first)).await;

    there.shutdown().await;
    let there = server(&network).await;
    linked(&client, "server").await;
    let (third, name) = answer(&client, || next(&second)).await;
    assert_eq!(name, "w1");

    let gone = there.gone(&third);
    pool.stop().await;
    assert_eq!(soon(gone).await, reason!["shutdown"]);
}
