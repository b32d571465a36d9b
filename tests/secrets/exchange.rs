//! Three nodes whose secret is exchanged: each is stopped and started anew with the secrets of the next step, while the
//! others go on.

use aemp::{LocalNode, NodeBuilder, PortId, routes};

use crate::log::Log;
use crate::nodes::{SECRET as OLD, link, port, soon};

const NEW: &str = "the secret from now on";
const NODES: [&str; 3] = ["a", "b", "c"];

/// The secrets of a node in one step: its own, and one that it accepts.
type Step = (&'static str, Option<&'static str>);

/// The steps of docs/operating.md.
const STEPS: [Step; 3] = [(OLD, Some(NEW)), (NEW, Some(OLD)), (NEW, None)];

fn node(id: &str, (secret, accepted): Step) -> NodeBuilder {
    let node = aemp::node().id(id).secret(secret);
    let node = match accepted {
        Some(accepted) => node.accept_secret(accepted),
        None => node,
    };
    node.on_start(|node| {
        let echo = routes().on("echo", |cx, (n, reply): (u64, PortId)| {
            cx.send(&reply, (n,))
        });
        node.port_of_named("echo", echo).unwrap();
    })
}

/// Three nodes in a network, each a seed of those that started after it, and their addresses.
async fn network() -> (Vec<LocalNode>, Vec<String>) {
    let (mut nodes, mut at) = (Vec::new(), Vec::<String>::new());
    for id in NODES {
        let mut builder = node(id, (OLD, None)).bind("127.0.0.1:0");
        for seed in &at {
            builder = builder.seed(seed);
        }
        let node = builder.start().await.unwrap();
        at.push(node.addresses()[0].to_string());
        nodes.push(node);
    }
    (nodes, at)
}

/// Asks each node at each other one.
async fn all_answer(nodes: &[LocalNode]) {
    for from in nodes {
        for to in nodes.iter().filter(|to| to.id() != from.id()) {
            link(from, to.id().as_str()).await;
            let (n,): (u64,) = soon(from.call(port(&format!("{}#echo", to.id())), ("echo", 7)))
                .await
                .unwrap();
            assert_eq!(n, 7);
        }
    }
}

#[tokio::test]
async fn a_secret_is_exchanged_node_by_node_and_only_the_links_of_that_node_are_made_anew() {
    let (log, _guard) = Log::start();
    let (mut nodes, at) = network().await;
    all_answer(&nodes).await;
    for step in STEPS {
        for at_node in 0..NODES.len() {
            let others: Vec<usize> = (0..NODES.len()).filter(|&n| n != at_node).collect();
            let between = link(&nodes[others[0]], NODES[others[1]]).await.generation();
            let mut builder = node(NODES[at_node], step).bind(&at[at_node]);
            for &other in &others {
                builder = builder.seed(&at[other]);
            }
            nodes.remove(at_node).shutdown().await;
            nodes.insert(at_node, builder.start().await.unwrap());
            all_answer(&nodes).await;
            let after = link(&nodes[others[0]], NODES[others[1]]).await.generation();
            assert_eq!(after, between, "{step:?} of {}", NODES[at_node]);
        }
    }
    // No attempt at a connection was refused on the way.
    let refused = log.with(&["did not prove itself"]);
    assert!(refused.is_empty(), "{refused:?}");
    // Who has only the secret of before is a stranger now.
    let left = node("d", (OLD, None)).seed(&at[0]).start().await.unwrap();
    soon(left.joined()).await.unwrap_err();
    assert!(!log.with(&["did not prove itself"]).is_empty());
}

#[tokio::test]
async fn a_node_that_skips_a_step_stays_outside_and_the_log_says_why() {
    let (log, _guard) = Log::start();
    let (nodes, at) = network().await;
    let hasty = node("d", (NEW, Some(OLD)))
        .seed(&at[0])
        .start()
        .await
        .unwrap();
    soon(hasty.joined()).await.unwrap_err();
    assert!(!log.with(&["\"d\" did not prove itself"]).is_empty());
    all_answer(&nodes).await;
}

/// A Perl node has one secret at a time: it goes from the old one to the new one while ours accept both, and dials.
#[tokio::test]
async fn a_node_with_one_secret_gets_in_with_either_while_both_are_accepted() {
    for step in [STEPS[0], STEPS[1]] {
        let seed = node("seed", step)
            .bind("127.0.0.1:0")
            .start()
            .await
            .unwrap();
        for secret in [OLD, NEW] {
            let one = node("one", (secret, None)).seed(seed.addresses()[0].to_string());
            let one = one.start().await.unwrap();
            soon(one.joined()).await.unwrap();
            one.shutdown().await;
        }
    }
}
