//! Two and three real processes over loopback TCP.
//!
//! The test is a node itself. Others are this program started again (`process`).
#![allow(clippy::unwrap_used)]

mod chat;
mod child;
mod hung;
#[path = "../common/lines.rs"]
mod lines;
mod names;
#[path = "../common/nodes.rs"]
mod nodes;
#[path = "../common/process.rs"]
mod process;
mod python;
#[path = "../common/stranger.rs"]
mod stranger;

use aemp::{LocalNode, PortId, Value};
use child::{LISTS, names};
use nodes::{SECRET, link, port, soon};

async fn seed(codecs: &[&str]) -> LocalNode {
    let node = aemp::node().id("seed").secret(SECRET).bind("127.0.0.1:0");
    node.codecs(codecs.iter().copied()).start().await.unwrap()
}

/// A port that sends back what it gets.
fn echo(node: &LocalNode) -> PortId {
    node.port_of_named("echo", process::echo()).unwrap()
}

/// The first of `list` that `can` has: what whoever has `can` writes to whoever has `list`.
fn chosen<'a>(list: &[&'a str], can: &[&str]) -> Option<&'a str> {
    list.iter().copied().find(|name| can.contains(name))
}

#[tokio::test]
async fn every_pair_of_codec_lists_talks_or_says_why_not() {
    for ours in LISTS {
        let seed = seed(ours).await;
        let here = echo(&seed);
        for theirs in LISTS {
            let mut child = child::start(
                "child",
                theirs,
                &[("AEMP_SEED", seed.addresses()[0].to_string())],
            );
            let Some(from_child) = chosen(ours, theirs) else {
                let why = child.line("@failed ").await;
                assert!(why.contains("no codec in common"), "{why}");
                assert!(
                    why.contains(&names(ours)) && why.contains(&names(theirs)),
                    "{why}"
                );
                continue;
            };
            child.line("@ready ").await;
            let link = link(&seed, "child").await;
            assert_eq!(
                Some(link.send_codec()),
                chosen(theirs, ours),
                "{ours:?} {theirs:?}"
            );
            assert_eq!(link.recv_codec(), from_child, "{ours:?} {theirs:?}");

            let there = port("child#echo");
            let what = Value::from(vec![
                Value::from("caf\u{e9}"),
                Value::from(u64::MAX),
                Value::from(0.1),
            ]);
            let (back,): (Value,) = soon(seed.call(&there, ("echo", what.clone())))
                .await
                .unwrap();
            assert_eq!(back, what);
            // And the other way: the child calls us, and answers with what we said.
            let (back,): (Value,) = soon(seed.call(&there, ("call", &here, what.clone())))
                .await
                .unwrap();
            assert_eq!(back, what);
            let gone = seed.gone(&there);
            drop(child);
            assert_eq!(soon(gone).await.kind(), Some("transport_error"));
        }
    }
}

#[tokio::test]
async fn a_third_process_is_reached_where_its_address_is_known() {
    let seed = seed(&["cbor", "json"]).await;
    let at = seed.addresses()[0].to_string();
    let mut third = child::start("third", &["json"], &[("AEMP_SEED", at.clone())]);
    let address = third.line("@ready ").await;
    let known = [("AEMP_SEED", at), ("AEMP_PEER", format!("third={address}"))];
    let mut second = child::start("second", &["cbor", "json"], &known);
    second.line("@ready ").await;

    let call = (
        "call",
        port("third#echo"),
        "from the seed, by the second, to the third",
    );
    let (back,): (String,) = soon(seed.call(port("second#echo"), call)).await.unwrap();
    assert_eq!(back, "from the seed, by the second, to the third");

    // Both who know the third are told when it is killed.
    let here = seed.gone(port("third#echo"));
    let there = soon(
        seed.call::<(String,)>(&port("second#echo"), ("watch", port("third#echo")))
            .into_future(),
    );
    let there = tokio::spawn(there);
    let (back,): (String,) = soon(seed.call(port("second#echo"), ("echo", "the watch is set")))
        .await
        .unwrap();
    assert_eq!(back, "the watch is set");
    third.kill();
    assert_eq!(soon(here).await.kind(), Some("transport_error"));
    let (why,) = soon(there).await.unwrap().unwrap();
    assert!(why.starts_with("transport_error: third"), "{why}");
}

#[tokio::test]
async fn a_restarted_process_is_a_new_generation_without_the_old_ports() {
    let seed = seed(&["cbor", "json"]).await;
    let known = [("AEMP_SEED", seed.addresses()[0].to_string())];
    let mut old = Vec::new();
    for generation in 1..=3 {
        let mut child = child::start("child", &["cbor"], &known);
        child.line("@ready ").await;
        let link = link(&seed, "child").await;
        assert_eq!(link.generation(), generation);
        for before in &old {
            assert_eq!(soon(seed.gone(before)).await.kind(), Some("no_such_port"));
        }
        let (made,): (PortId,) = soon(seed.call(port("child#echo"), ("make",)))
            .await
            .unwrap();
        let (back,): (i64,) = soon(seed.call(&made, ("echo", generation as i64)))
            .await
            .unwrap();
        assert_eq!(back, generation as i64);
        let gone = seed.gone(&made);
        child.kill();
        assert_eq!(soon(gone).await.kind(), Some("transport_error"));
        old.push(made);
    }
}

/// Not a test: what the other processes run.
#[test]
fn child() {
    process::run(child::run);
}
