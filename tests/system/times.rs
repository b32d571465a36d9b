//! Nodes whose times are the longest that there are.

use std::time::Duration;

use aemp::{Config, LocalNode, NodeBuilder, PortId, routes};

use crate::common::{Network, linked, node, soon};

const NEVER: Duration = Duration::MAX;

fn patient(id: &str, network: &Network) -> NodeBuilder {
    node(id, network)
        .bind(format!("mem:{id}"))
        .configure(|config: &mut Config| {
            config.monitor_timeout = NEVER;
            config.connect_timeout = NEVER;
            config.opening_timeout = NEVER;
            config.keepalive_interval = NEVER;
            config.idle_timeout = Some(NEVER);
        })
}

fn echo(node: &LocalNode) -> PortId {
    let echo = routes().on("echo", |cx, (n, reply): (u32, PortId)| {
        cx.send(&reply, (n,))
    });
    node.port_of_named("echo", echo).unwrap()
}

#[tokio::test(start_paused = true)]
async fn nodes_whose_times_are_the_longest_connect_and_find_each_other() {
    let network = Network::default();
    let b = patient("b", &network).seed("mem:a").start().await.unwrap();
    let waits = b.call::<(u32,)>("a#echo", ("echo", 7)).into_future();
    let waits = tokio::spawn(waits);
    // It is tried again and again, by the seed and by the connector.
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    let a = patient("a", &network)
        .on_start(|a| drop(echo(a)))
        .start()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3601)).await;
    linked(&b, "a").await;
    let c = patient("c", &network).peer("a", "mem:a").peer("d", "mem:d");
    let c = c.seed("mem:a").start().await.unwrap();
    soon(c.joined()).await.unwrap();
    let (n,): (u32,) = soon(c.call("a#echo", ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
    // An address that fails is tried until somebody listens there.
    let call = c.call::<(u32,)>("d#echo", ("echo", 8)).into_future();
    let call = tokio::spawn(call);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let d = patient("d", &network)
        .on_start(|d| drop(echo(d)))
        .start()
        .await
        .unwrap();
    assert_eq!(soon(call).await.unwrap().unwrap(), (8,));
    drop(waits);
    for node in [a, b, c, d] {
        soon(node.shutdown_within(NEVER)).await;
    }
}
