//! Nodes that know nothing but a seed find each other, and groups of ports by name.

use std::collections::BTreeMap;
use std::time::Duration;

use aemp::directory::{DirectoryError, DirectoryRole, Members};
use aemp::{LocalNode, NodeId, PortId, Text, Value, routes};

use crate::common::{Network, linked, node, soon, unlinked, until};

async fn start(id: &str, network: &Network, seeds: &[&str]) -> LocalNode {
    let builder = node(id, network)
        .bind(format!("mem:{id}"))
        .configure(|config| config.monitor_timeout = Duration::from_secs(5));
    let builder = seeds
        .iter()
        .fold(builder, |builder, seed| builder.seed(format!("mem:{seed}")));
    builder.start().await.unwrap()
}

fn slave_of(master: &str) -> DirectoryRole {
    DirectoryRole::Client(NodeId::new(master).unwrap())
}

async fn role(node: &LocalNode, role: DirectoryRole) {
    until("the node has its role", || node.directory().role() == role).await;
}

/// Waits until the group's members are those.
async fn members(members: &Members, ports: &[&PortId]) {
    let mut expected: Vec<PortId> = ports.iter().map(|&port| port.clone()).collect();
    expected.sort();
    until("the group has its members", || members.ports() == expected).await;
}

#[tokio::test]
async fn a_node_told_nothing_but_a_seed_finds_a_group_and_reaches_its_members() {
    let network = Network::default();
    let seed = start("seed", &network, &[]).await;
    let worker = start("worker", &network, &["seed"]).await;
    let port = worker.port_of(routes().on("job", |cx, (n, reply): (u64, PortId)| {
        cx.send(&reply, (2 * n,));
    }));
    let member = worker.group("workers").join(&port).unwrap();

    let client = start("client", &network, &["seed"]).await;
    let workers = soon(client.group("workers").live()).await.unwrap();
    members(&workers, &[&port]).await;
    assert!(
        client
            .connections()
            .iter()
            .all(|link| link.peer() == "seed")
    );
    let (twice,): (u64,) = soon(workers.any().call(("job", 21)).unwrap())
        .await
        .unwrap();
    assert_eq!(twice, 42);
    linked(&client, "worker").await;
    role(&seed, DirectoryRole::Global).await;
    role(&client, slave_of("seed")).await;

    drop(member);
    members(&workers, &[]).await;
    assert!(matches!(
        workers.any().send(("job", 1)),
        Err(DirectoryError::Empty { .. })
    ));
    // The port of a guard that was given up is gone when it dies, and those of a node with it.
    worker.group("workers").join(&port).unwrap().detach();
    let other = worker.port(|_: &mut aemp::Context<'_>, _: aemp::Message| ());
    let _kept = worker.group("workers").join(&other).unwrap();
    members(&workers, &[&port, &other]).await;
    worker.kill(&port, aemp::reason!["done"]);
    members(&workers, &[&other]).await;
    worker.shutdown().await;
    members(&workers, &[]).await;
}

#[tokio::test]
async fn a_message_to_a_node_that_nobody_knows_fails_at_once() {
    let network = Network::default();
    let _seed = start("seed", &network, &[]).await;
    let client = start("client", &network, &["seed"]).await;
    soon(client.joined()).await.unwrap();
    let gone = client.gone("nobody#port");
    let why = soon(gone).await;
    assert_eq!(why.to_string(), "transport_error: nobody, no known address");
}

#[tokio::test]
async fn entries_are_set_asked_for_and_watched_through_two_global_nodes() {
    let network = Network::default();
    let a = start("a", &network, &["b"]).await;
    let b = start("b", &network, &["a"]).await;
    let c = start("c", &network, &["a"]).await;
    let d = start("d", &network, &["b"]).await;
    for node in [&a, &b, &c, &d] {
        soon(node.joined()).await.unwrap();
    }
    role(&c, slave_of("a")).await;
    role(&d, slave_of("b")).await;
    c.directory().set("config", "limit", 20).unwrap();
    let mut watch = d.directory().watch("config").unwrap();
    let mut seen = BTreeMap::<Text, Value>::new();
    while seen.get("limit").and_then(Value::as_i64) != Some(20) {
        soon(watch.recv()).await.unwrap().apply(&mut seen);
    }
    c.directory().set("config", "limit", 30).unwrap();
    c.directory().set("config", "mode", "fast").unwrap();
    while seen.len() < 2 {
        soon(watch.recv()).await.unwrap().apply(&mut seen);
    }
    assert_eq!(soon(d.directory().family("config")).await.unwrap(), seen);
    assert_eq!(
        soon(a.directory().keys("config")).await.unwrap(),
        ["limit", "mode"]
    );
    let values = soon(b.directory().values("config")).await.unwrap();
    assert_eq!(values, [Value::from(30), Value::from("fast")]);
    assert_eq!(
        soon(d.directory().keys("'l")).await.unwrap(),
        ["a", "b", "c", "d"]
    );
    assert_eq!(soon(c.directory().keys("'g")).await.unwrap(), ["a", "b"]);
    assert_eq!(
        (a.directory().sizes()["config"], d.directory().sizes().len()),
        (2, 1)
    );
    c.directory().delete("config", "limit");
    while seen.len() > 1 {
        soon(watch.recv()).await.unwrap().apply(&mut seen);
    }

    // The master dies: a slave without another seed waits, and what it asks is answered at its return.
    b.shutdown().await;
    unlinked(&d, "b").await;
    role(&d, DirectoryRole::Searching).await;
    let asked = d
        .directory()
        .family("config")
        .within(Duration::from_millis(50))
        .await;
    let error = asked.unwrap_err().to_string();
    assert_eq!(
        error,
        r#"no answer about family "config" within 50ms: none of the seeds is connected"#
    );
    c.directory().set("config", "late", true).unwrap();
    let b = start("b", &network, &["a"]).await;
    while !seen.contains_key("late") {
        soon(watch.recv()).await.unwrap().apply(&mut seen);
    }
    assert_eq!(soon(d.directory().family("config")).await.unwrap(), seen);
    drop(b);
}

#[tokio::test]
async fn what_the_directory_cannot_hold_is_refused_with_words() {
    let network = Network::default();
    let alone = start("alone", &network, &[]).await;
    let directory = alone.directory();
    assert_eq!(directory.role(), DirectoryRole::Alone);
    directory.set("f", "k", 1).unwrap();
    assert_eq!(soon(directory.keys("f")).await.unwrap(), ["k"]);
    let error = |refused: Result<(), DirectoryError>| refused.unwrap_err().to_string();
    assert_eq!(
        error(directory.set("'l", "k", 1)),
        r#""'l" is no family: its name has letters, digits, _ and :, and begins with a letter"#
    );
    let bytes = Value::from(bytes::Bytes::from_static(b"\x00"));
    assert_eq!(
        error(directory.set("f", "k", vec![bytes])),
        r#""k" of family "f" not set: the directory holds what JSON can carry, and this has bytes at [0]"#
    );
    let large = "x".repeat(2 << 20);
    assert!(error(directory.set("f", "k", large)).contains("of at most 1048576"));
    assert!(directory.watch("1").is_err());
    assert!(soon(directory.family("")).await.is_err());
    assert!(soon(alone.group("no group").live()).await.is_err());
    assert_eq!(soon(directory.values("f")).await.unwrap(), [Value::from(1)]);
}

#[tokio::test]
async fn work_goes_round_and_to_the_least_loaded() {
    let network = Network::default();
    let node = start("alone", &network, &[]).await;
    let group = node.group("workers");
    let mut inboxes: Vec<_> = (0..3).map(|_| node.inbox()).collect();
    let guards: Vec<_> = inboxes
        .iter()
        .map(|inbox| group.join(inbox.id()).unwrap())
        .collect();
    let workers = soon(group.live()).await.unwrap();
    assert_eq!(workers.len(), 3);
    for n in 0..6 {
        workers.any().send((n,)).unwrap();
    }
    assert_eq!(workers.send_all(("all",)).unwrap(), 3);
    for inbox in &mut inboxes {
        let mut got = Vec::new();
        for _ in 0..3 {
            got.push(soon(inbox.recv()).await.unwrap());
        }
        assert_eq!(got[2].tag().as_deref(), Some("all"));
    }
    let first = workers.least_loaded().lease().unwrap();
    let second = workers.least_loaded().lease().unwrap();
    let third = workers.least_loaded().port().unwrap().clone();
    assert!(first.port() != second.port() && ![first.port(), second.port()].contains(&&third));
    drop(first);
    for _ in 0..10 {
        assert_ne!(workers.least_loaded().port(), Some(second.port()));
        assert!(workers.random().port().is_some());
    }
    drop(guards);
    members(&workers, &[]).await;
    assert!(workers.random().port().is_none());
}

#[tokio::test]
async fn what_is_sent_before_the_seed_is_connected_finds_its_way() {
    let network = Network::default();
    let seed = start("seed", &network, &[]).await;
    let worker = start("worker", &network, &["seed"]).await;
    let mut inbox = worker.inbox();
    soon(worker.joined()).await.unwrap();
    // Nothing is known yet, not even whether there is a seed.
    let client = start("client", &network, &["seed"]).await;
    client.send(inbox.id(), ("hello",));
    let nobody = client.group("nobody");
    let group = nobody.live_within(Duration::from_secs(10));
    let told = soon(inbox.recv()).await.unwrap();
    assert_eq!(told.tag().as_deref(), Some("hello"));
    assert!(soon(group).await.unwrap().is_empty());
    // So it is where the seed comes later.
    let late = start("late", &network, &["other"]).await;
    let called = late.call::<(u64,)>("other#port", ("twice", 4));
    let called = tokio::spawn(called.into_future());
    let other = node("other", &network).bind("mem:other").on_start(|node| {
        node.port_of_named(
            "port",
            routes().on("twice", |cx, (n, reply): (u64, PortId)| {
                cx.send(&reply, (2 * n,));
            }),
        )
        .unwrap();
    });
    let _other = other.start().await.unwrap();
    assert_eq!(soon(called).await.unwrap().unwrap(), (8,));
    drop(seed);
}

#[tokio::test]
async fn a_node_with_seeds_does_not_answer_before_it_has_a_master() {
    let network = Network::default();
    let _seed = start("seed", &network, &[]).await;
    let first = start("first", &network, &["seed"]).await;
    first.directory().set("f", "k", 1).unwrap();
    let asked = tokio::sync::oneshot::channel();
    let (tell, told) = asked;
    let builder = node("second", &network).bind("mem:second").seed("mem:seed");
    let second = builder.on_start(move |node| {
        assert_eq!(node.directory().role(), DirectoryRole::Searching);
        let ask = node.directory().keys("f");
        tokio::spawn(async move { tell.send(ask.await) });
    });
    let second = second.start().await.unwrap();
    assert_eq!(soon(told).await.unwrap().unwrap(), ["k"]);

    // One that has stopped says so.
    let directory = second.directory();
    second.shutdown().await;
    assert_eq!(
        soon(directory.keys("f")).await,
        Err(DirectoryError::Stopped(aemp::error::Stopped))
    );
    assert_eq!(soon(directory.watch("f").unwrap().recv()).await, None);
}

#[tokio::test]
async fn a_node_that_has_moved_is_found_where_it_listens_now() {
    let network = Network::default();
    let _seed = start("seed", &network, &[]).await;
    let worker = start("worker", &network, &["seed"]).await;
    let mut inbox = worker.inbox();
    soon(worker.joined()).await.unwrap();
    let client = start("client", &network, &["seed"]).await;
    soon(client.joined()).await.unwrap();
    client.set_peer_addresses(worker.id(), ["mem:long-ago".parse().unwrap()]);
    client.send(inbox.id(), ("hello",));
    assert_eq!(
        soon(inbox.recv()).await.unwrap().tag().as_deref(),
        Some("hello")
    );
}

#[tokio::test]
async fn a_member_that_listens_nowhere_is_marked_and_chosen_only_where_it_can_be_reached() {
    let network = Network::default();
    let seed = start("seed", &network, &[]).await;
    let job = || {
        routes().on("job", |cx, (n, reply): (u64, PortId)| {
            cx.send(&reply, (2 * n,));
        })
    };
    let bindless = node("bindless", &network).seed("mem:seed");
    let bindless = bindless.start().await.unwrap();
    let behind = bindless.port_of(job());
    bindless.group("workers").join(&behind).unwrap().detach();
    let client = start("client", &network, &["seed"]).await;
    let mut workers = soon(client.group("workers").live()).await.unwrap();
    while workers.is_empty() {
        soon(workers.changed()).await.unwrap();
    }
    assert_eq!(workers.ports(), std::slice::from_ref(&behind));
    assert_eq!(workers.unreachable(), std::slice::from_ref(&behind));
    let error = workers.any().send(("job", 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no member of group \"workers\" can be reached: 1 listen nowhere and have no connection to this node"
    );
    assert_eq!(workers.send_all(("job", 1)).unwrap(), 0);
    let error = soon(client.call::<(u64,)>(&behind, ("job", 1)))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!(
            "\"{behind}\" cannot answer: transport_error: bindless, it listens nowhere, and has no connection to this node"
        )
    );

    // Others are chosen instead.
    let worker = start("worker", &network, &["seed"]).await;
    let port = worker.port_of(job());
    worker.group("workers").join(&port).unwrap().detach();
    members(&workers, &[&behind, &port]).await;
    for _ in 0..6 {
        assert_eq!(workers.any().port(), Some(&port));
        assert_eq!(workers.random().port(), Some(&port));
        assert_eq!(workers.least_loaded().port(), Some(&port));
    }
    // Its seed reaches it, and so does whom it connects to.
    let at_seed = soon(seed.group("workers").live()).await.unwrap();
    members(&at_seed, &[&behind, &port]).await;
    assert!(at_seed.unreachable().is_empty());
    soon(bindless.call::<(bool,)>(client.id(), ("can", "snd")))
        .await
        .unwrap_err();
    linked(&client, "bindless").await;
    assert!(workers.unreachable().is_empty());
    let (twice,): (u64,) = soon(client.call(&behind, ("job", 21))).await.unwrap();
    assert_eq!(twice, 42);
}
