//! Addresses that other nodes name: how many of them are dialled, and which.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use aemp::{Address, ConnectError, LocalNode, NodeBuilder, NodeEvent, PortId, routes};
use async_trait::async_trait;

use crate::common::{Network, linked, node, soon};
use crate::stranger::Stranger;

/// The transport `silent`, at whose addresses nobody answers. Clones are the same.
#[derive(Clone, Default)]
struct Silent(Arc<Attempts>);

#[derive(Default)]
struct Attempts {
    pending: AtomicUsize,
    most: AtomicUsize,
    dialled: Mutex<Vec<String>>,
}

struct Pending(Arc<Attempts>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Silent {
    fn most(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }

    fn dialled(&self) -> usize {
        self.0.dialled.lock().unwrap().len()
    }
}

#[async_trait]
impl Transport for Silent {
    fn scheme(&self) -> &str {
        "silent"
    }

    async fn listen(&self, _: &Address, _: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect(&self, to: &Address, _: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        let pending = 1 + self.0.pending.fetch_add(1, Ordering::Relaxed);
        let _pending = Pending(self.0.clone());
        self.0.most.fetch_max(pending, Ordering::Relaxed);
        self.0.dialled.lock().unwrap().push(to.to_string());
        std::future::pending().await
    }
}

/// A global node with a member `x` that is one as well, scripted by the test.
async fn global(
    network: &Network,
    change: impl FnOnce(NodeBuilder) -> NodeBuilder,
) -> (LocalNode, Stranger) {
    let a = node("a", network).bind("mem:a").configure(|config| {
        config.cleartext = true;
        // The member says nothing but what the test lets it say.
        config.liveness_check = false;
    });
    let a = change(a).start().await.unwrap();
    let mut slave = Stranger::join(network, "a", "slave").await;
    slave.send(b"[\"\",\"g_slave\",{}]").await;
    slave.until("[\"\",\"g_global\"]").await;
    let mut x = Stranger::join(network, "a", "x").await;
    x.send(b"[\"\",\"g_global\"]").await;
    x.until("\"g_set\"").await;
    (a, x)
}

/// Entries of `'l` for the nodes `n0`, `n1` and so on, with addresses where nobody answers.
fn listeners(nodes: usize, addresses: usize) -> String {
    let list = |n: usize| {
        let each: Vec<_> = (0..addresses)
            .map(|at| format!(r#""silent:{n}-{at}""#))
            .collect();
        format!(r#""n{n}":[{}]"#, each.join(","))
    };
    (0..nodes).map(list).collect::<Vec<_>>().join(",")
}

/// The request by which `x` says that there are so many global nodes with so many addresses each.
fn named(nodes: usize, addresses: usize) -> String {
    let globals: Vec<_> = (0..nodes).map(|n| format!(r#""n{n}":null"#)).collect();
    format!(
        r#"["","g_set",{{"'g":{{{}}},"'l":{{{}}}}}]"#,
        globals.join(","),
        listeners(nodes, addresses)
    )
}

#[tokio::test(start_paused = true)]
async fn global_nodes_that_a_member_names_are_dialled_a_few_at_a_time() {
    let network = Network::default();
    let silent = Silent::default();
    let (a, mut x) = global(&network, |builder| builder.transport(silent.clone())).await;
    x.send(named(100, 8).as_bytes()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(silent.dialled() >= 100, "{} dials", silent.dialled());
    assert!(silent.most() <= 32, "{} dials at a time", silent.most());
    // They back off together: however many are named, there are no more attempts.
    assert!(silent.dialled() <= 8 * 70, "{} dials", silent.dialled());

    // Whom a program has named is dialled at once, and a node that the network names before long.
    let echo = routes().on("ask", |cx, (reply,): (PortId,)| cx.send(&reply, ("here",)));
    let b = node("b", &network).bind("mem:b").start().await.unwrap();
    let at_b = b.port_of(echo);
    a.set_peer_addresses(b.id(), ["mem:b".parse().unwrap()]);
    let asked = a.call::<(String,)>(&at_b, ("ask",));
    asked.within(Duration::from_millis(100)).await.unwrap();
    let echo = routes().on("ask", |cx, (reply,): (PortId,)| cx.send(&reply, ("here",)));
    let c = node("c", &network).bind("mem:c").start().await.unwrap();
    let at_c = c.port_of(echo);
    let news = r#"["","g_upd","'l",{"c":["mem:c"]},[]]"#;
    x.send(news.as_bytes()).await;
    x.send(b"[\"\",\"snd\",\"x#me\",1]").await;
    x.until("[\"me\",1]").await;
    let asked = a.call::<(String,)>(&at_c, ("ask",));
    asked.within(Duration::from_secs(20)).await.unwrap();
    linked(&a, "c").await;
}

#[tokio::test(start_paused = true)]
async fn answers_to_nodes_that_a_member_makes_up_dial_a_few_at_a_time_and_have_a_limit() {
    let network = Network::default();
    let silent = Silent::default();
    let (a, mut x) = global(&network, |builder| {
        builder
            .transport(silent.clone())
            .configure(|config| config.connecting = 50)
    })
    .await;
    a.offer_function("ask", |node, (reply,): (PortId,)| {
        node.send(&reply, ("here",));
    });
    x.send(format!(r#"["","g_set",{{"'l":{{{}}}}}]"#, listeners(100, 8)).as_bytes())
        .await;
    for n in 0..100 {
        x.send(format!(r#"["","ask","n{n}#port"]"#).as_bytes())
            .await;
    }
    x.send(b"[\"\",\"snd\",\"x#me\",1]").await;
    x.until("[\"me\",1]").await;
    // No more connections are being made than may be.
    let gone = a.gone("n99#port");
    assert_eq!(
        soon(gone).await.to_string(),
        "transport_error: n99, connections to 50 nodes are being made already (connecting)"
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(silent.dialled() >= 100, "{} dials", silent.dialled());
    assert!(silent.most() <= 32, "{} dials at a time", silent.most());
}

#[tokio::test(start_paused = true)]
async fn a_dial_policy_chooses_among_the_addresses_that_others_name() {
    let network = Network::default();
    let silent = Silent::default();
    let (a, mut x) = global(&network, |builder| {
        builder
            .transport(silent.clone())
            .peer("known", "silent:known")
            .dial_policy(|address| address.scheme() != "silent")
    })
    .await;
    x.send(named(3, 2).as_bytes()).await;
    x.send(b"[\"\",\"snd\",\"x#me\",1]").await;
    x.until("[\"me\",1]").await;
    let mut events = a.events();
    let gone = a.gone("n0#port");
    assert_eq!(
        soon(gone).await.to_string(),
        "transport_error: n0, this node's dial policy allows none of its addresses: silent:0-0,silent:0-1"
    );
    let why = loop {
        // Other nodes that were named are dialled as well.
        match soon(events.recv()).await {
            Some(NodeEvent::Unreachable { node, error, .. }) if node == *"n0" => break error,
            Some(_) => {}
            None => panic!("the node runs"),
        }
    };
    assert!(matches!(why, ConnectError::DialPolicy { addresses, .. } if addresses.len() == 2));
    assert_eq!(silent.dialled(), 0);
    // What this node was told by its own program is not asked about.
    let gone = a.gone("known#port");
    soon(gone).await;
    assert!(silent.dialled() > 0);
}
