//! What goes over the wire, seen by scripted peers: to whom, in which bytes, and what becomes of what they send.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aemp::{Context, LocalNode, Message, NodeBuilder, NodeId, PortId, routes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tracing::info_span;

use crate::here::mixed;
use crate::nodes::{SECRET, link, port, soon};
use crate::spans::{current, ended, node, worker};

type Stranger = crate::stranger::Stranger<TcpStream>;

/// The keys of a greeting after its framings.
const READS: &str = "json;trace=1";
const PERL: &str = "json;provider=AE-2.02";
const OTHER: &str = "json";

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Is let in by `node` as `id`, which offers `greeting`. Returns the node's greeting as well.
async fn join(node: &LocalNode, id: &str, greeting: &str) -> (Stranger, String) {
    let address = node.addresses()[0].target().to_owned();
    let mut stranger = Stranger::from(TcpStream::connect(address).await.unwrap());
    stranger.introduce(id, greeting).await;
    stranger.authenticate("json").await;
    let greeting = stranger.line().await;
    stranger.line().await;
    stranger.line().await;
    link(node, id).await;
    (stranger, greeting)
}

/// A port of `node` that tells the trace in which it gets each message, and the message's number.
fn telling(node: &LocalNode, name: &str) -> mpsc::UnboundedReceiver<(u32, String)> {
    let (told, traces) = mpsc::unbounded_channel();
    let port = routes().on("n", move |_, (n,): (u32,)| {
        told.send((n, current())).unwrap()
    });
    node.port_of_named(name, port).unwrap();
    traces
}

/// Starts a node that lets in strangers by the secret in clear text.
async fn listening(node: NodeBuilder) -> LocalNode {
    let node = node.configure(|config| config.cleartext = true);
    node.bind("127.0.0.1:0").start().await.unwrap()
}

/// A node that reads traces.
async fn seed(id: &str) -> LocalNode {
    listening(node(id)).await
}

/// A node that does not know traces.
async fn untraced(id: &str) -> LocalNode {
    listening(aemp::node().id(id).secret(SECRET)).await
}

/// What a stranger hears of messages that are sent in a span, from `node`.
async fn heard(node: &LocalNode, greeting: &str) -> (String, String) {
    let (mut stranger, greeting) = join(node, "stranger", greeting).await;
    let to = port("stranger#p");
    info_span!("root").in_scope(|| {
        node.send(&to, ("one", 1));
        node.kill(port("stranger#q"), aemp::reason!["why"]);
        node.send(NodeId::new("stranger").unwrap(), ("fun::ction", 2));
    });
    node.send(&to, ("last", 3));
    let heard = stranger.until(r#"["p","last",3]"#).await;
    (greeting, heard)
}

#[tokio::test]
async fn who_does_not_read_traces_hears_what_it_always_heard() {
    let (with, without) = (seed("node").await, untraced("node").await);
    for greeting in [PERL, OTHER, "json;trace=0", "json;trace"] {
        let (ours, theirs) = (
            heard(&with, greeting).await,
            heard(&without, greeting).await,
        );
        assert_eq!(ours.1, theirs.1, "{greeting}");
        assert_eq!(
            ours.1,
            r#"["p","one",1]["","kil1","q","why"]["","fun::ction",2]["p","last",3]"#
        );
        assert!(ours.0.contains(";trace=1") && !theirs.0.contains("trace"));
        soon(async {
            // Each stranger is the only one of its name.
            while !with.connections().is_empty() || !without.connections().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    // Nor does a peer that reads them, from a node that has none.
    assert!(!heard(&without, READS).await.1.contains("aemp::trace"));
}

#[tokio::test]
async fn a_context_directly_precedes_each_message_of_a_trace_and_no_other() {
    let node = seed("node").await;
    let (mut stranger, _) = join(&node, "stranger", READS).await;
    let to = port("stranger#p");
    let (context, trace) = info_span!("root").in_scope(|| {
        use aemp::trace::Propagator;
        node.send(&to, ("one", 1));
        // Refused by the codec: no context is left of it.
        let refused = node.try_send(&to, ("none", f64::NAN));
        assert!(refused.is_err());
        node.send(NodeId::new("stranger").unwrap(), ("fun::ction", 2));
        (aemp_opentelemetry::Propagator.inject().unwrap(), current())
    });
    node.send(&to, ("last", 3));
    let heard = stranger.until(r#"["p","last",3]"#).await;
    let request = format!(r#"["","aemp::trace","{context}"]"#);
    assert!(context.to_string().contains(&trace));
    assert_eq!(
        heard,
        format!(r#"{request}["p","one",1]{request}["","fun::ction",2]["p","last",3]"#)
    );
    // What was refused is not counted as sent.
    let sent = node.stats().connections[0].sent.messages;
    assert_eq!(sent, 5);
}

#[tokio::test]
async fn a_context_holds_for_the_next_message_and_whatever_else_comes_is_ignored() {
    let node = seed("node").await;
    let mut traces = telling(&node, "p");
    node.port_named("q", |_: &mut Context<'_>, _: Message| ())
        .unwrap();
    node.offer_function("fun::ction", |_, (_,): (u32,)| ());
    let (mut stranger, _) = join(&node, "stranger", OTHER).await;
    let context = format!(r#"["","aemp::trace","{PARENT}"]"#);
    let other = context.replace("4bf9", "aaaa");
    let mut n = 0;
    let long = "x".repeat(100_000);
    let longer = "x".repeat(200_000);
    for (before, expected) in [
        (String::new(), ""),
        (context.clone(), TRACE),
        // Keepalives are no messages.
        (format!("{context}[] []"), TRACE),
        (format!(r#"["","aemp::trace","{PARENT}","a=1,b=2"]"#), TRACE),
        // The state is not one of W3C, or too long: it is left off.
        (format!(r#"["","aemp::trace","{PARENT}","{long}"]"#), TRACE),
        (format!(r#"["","aemp::trace","{PARENT}","nothing"]"#), TRACE),
        (format!("{}{context}", other.repeat(1000)), TRACE),
        // Taken by another message: to another port, to none, and to the node.
        (format!(r#"{context}["q","n",0]"#), ""),
        (format!(r#"{context}["no","n",0]"#), ""),
        (format!(r#"{context}["q","{long}"]"#), ""),
        (format!(r#"{context}["no","{longer}"]"#), ""),
        (format!(r#"{context}["","mon1","q"]"#), ""),
        (format!(r#"{context}["","mon0","q"]"#), ""),
        (format!(r#"{context}["","kil1","q","why"]"#), ""),
        (format!(r#"{context}["","snd","node#p2",1]"#), ""),
        (format!(r#"{context}["","devnull"]"#), ""),
        (format!(r#"{context}["","fun::ction",1]"#), ""),
        (format!(r#"{context}["","unknown",1]"#), ""),
        (format!(r#"{context}["",""]"#), ""),
        // Malformed, each of them: what came before is of no message either.
        (r#"["","aemp::trace"]"#.into(), ""),
        (r#"["","aemp::trace",1]"#.into(), ""),
        (r#"["","aemp::trace",["x"]]"#.into(), ""),
        (format!(r#"["","aemp::trace","{PARENT}x"]"#), ""),
        (format!(r#"["","aemp::trace","{PARENT}","a=1","b"]"#), ""),
        (format!(r#"["","aemp::trace","{PARENT}",7.5]"#), ""),
        (format!(r#"{context}["","aemp::trace","{long}"]"#), ""),
        (context.replace("4bf92f", "4BF92F"), ""),
    ] {
        n += 1;
        stranger.send(before.as_bytes()).await;
        // The second begins like the first.
        let messages = format!(r#"["p","n",{n}]["p","n",{n}]"#);
        stranger.send(messages.as_bytes()).await;
        let first = soon(traces.recv()).await.unwrap();
        let second = soon(traces.recv()).await.unwrap();
        assert_eq!(second, (n, String::new()), "{before:.200}");
        assert_eq!(first, (n, expected.to_owned()), "{before:.200}");
    }
    // Eight malformed ones, and `unknown`.
    let stats = &node.stats().connections[0];
    assert_eq!(stats.unknown_requests, 9, "{stats:?}");
}

#[tokio::test]
async fn a_node_without_a_propagator_counts_contexts_and_goes_on() {
    let node = untraced("node").await;
    let mut traces = telling(&node, "p");
    let (mut stranger, _) = join(&node, "stranger", READS).await;
    let context = format!(r#"["","aemp::trace","{PARENT}"]["","aemp::trace","x"]"#);
    let ask = r#"["","can","aemp::trace","stranger#can"]["","can","time","stranger#can"]"#;
    let messages = format!(r#"{}["p","n",1]{ask}"#, context.repeat(1000));
    stranger.send(messages.as_bytes()).await;
    assert_eq!(soon(traces.recv()).await.unwrap(), (1, String::new()));
    let answers = stranger.until(r#"["can","1"]"#).await;
    assert!(answers.contains(r#"["can",""]"#), "{answers}");
    assert_eq!(node.stats().connections[0].unknown_requests, 2000);
}

#[tokio::test]
async fn a_context_of_a_lost_connection_is_not_that_of_the_next() {
    let node = seed("node").await;
    let mut traces = telling(&node, "p");
    for n in 0..3 {
        let (mut stranger, _) = join(&node, "stranger", OTHER).await;
        let message = format!(r#"["p","n",{n}]["","aemp::trace","{PARENT}"]"#);
        stranger.send(message.as_bytes()).await;
        assert_eq!(soon(traces.recv()).await.unwrap(), (n, String::new()));
        stranger.close().await;
        stranger.end().await;
    }
}

#[tokio::test]
async fn functions_and_spawned_ports_run_in_the_trace_of_a_peer() {
    let node = seed("node").await;
    let (told, mut traces) = mpsc::unbounded_channel();
    let spawned = told.clone();
    node.offer_function("shop::open", move |_, (): ()| told.send(current()).unwrap());
    node.offer("shop::till", move |_, (): ()| {
        spawned.send(current()).unwrap();
        routes().on("take", |_, ()| ())
    });
    let peer = worker("peer", &node).await;
    for _ in 0..2 {
        let trace = info_span!("root").in_scope(|| {
            peer.send(node.id(), ("shop::open",));
            peer.spawn(node.id(), "shop::till", ()).unwrap();
            current()
        });
        peer.send(node.id(), ("shop::open",));
        for expected in [&*trace, &trace, ""] {
            assert_eq!(soon(traces.recv()).await.unwrap(), *expected);
        }
    }
}

#[tokio::test]
async fn a_message_that_waits_for_its_connection_keeps_its_trace() {
    let there = seed("node").await;
    let mut traces = telling(&there, "p");
    let address = there.addresses()[0].to_string();
    let peer = node("peer").peer("node", address).start().await.unwrap();
    let to = port("node#p");
    peer.send(&to, ("n", 0));
    let mut expected = vec![String::new()];
    for n in 1..100 {
        expected.push(match n % 3 {
            0 => String::new(),
            _ => info_span!("root").in_scope(|| {
                peer.send(&to, ("n", n));
                current()
            }),
        });
        if n % 3 == 0 {
            peer.send(&to, ("n", n));
        }
    }
    for (n, trace) in expected.into_iter().enumerate() {
        assert_eq!(soon(traces.recv()).await.unwrap(), (n as u32, trace));
    }
}

#[tokio::test]
async fn a_message_to_a_port_that_was_killed_has_no_span() {
    let node = seed("node").await;
    let mut traces = telling(&node, "p");
    let peer = worker("peer", &node).await;
    let dead: PortId = port("node#dead");
    node.port_of_named("dead", routes()).unwrap();
    let trace = info_span!("root").in_scope(|| {
        peer.kill(&dead, aemp::reason!["why"]);
        peer.send(&dead, ("n", 1));
        current()
    });
    peer.send(port("node#p"), ("n", 2));
    assert_eq!(soon(traces.recv()).await.unwrap(), (2, String::new()));
    let spans = ended(&trace);
    assert!(spans.iter().all(|span| span.name == "root"), "{spans:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_that_of_its_own_message_whatever_others_send_over_the_connection() {
    for codecs in [["json", "cbor"], ["cbor", "json"]] {
        let there = node("node").bind("127.0.0.1:0").codecs(codecs);
        let there = there.start().await.unwrap();
        let right = Arc::new(AtomicUsize::new(0));
        let counted = right.clone();
        let port = there.port(move |_: &mut Context<'_>, message: Message| {
            let (expected, _): (String, String) = message.parse().unwrap();
            assert_eq!(current(), expected);
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let peer = worker("peer", &there).await;
        let sent = AtomicUsize::new(0);
        let message = move |trace| {
            // Short ones, which are copied, and long ones, which are not.
            let n = sent.fetch_add(1, Ordering::Relaxed);
            let len = [0, 10, 10, 100, 20_000, 200_000][n % 6];
            (trace, "x".repeat(len))
        };
        let (sender, message) = (peer.clone(), Arc::new(message));
        let send = move |message: (String, String)| sender.send(&port, message);
        mixed(100, right, send, move |trace| message(trace)).await;
        peer.shutdown().await;
        there.shutdown().await;
    }
}

#[tokio::test]
async fn a_request_that_was_put_off_does_not_take_the_context_of_a_later_message() {
    let node = node("node").configure(|config| config.high_water = 10_000);
    let node = listening(node).await;
    let mut traces = telling(&node, "p");
    let (mut stranger, _) = join(&node, "stranger", OTHER).await;
    let stats = || node.stats().connections[0].clone();
    let mut asked = 0;
    let mut ask = |len: usize| {
        asked += 1;
        let padding = "x".repeat(len);
        let request = format!(r#"["","can","no","stranger#r","{padding}",{asked}]"#);
        (asked, request)
    };
    let come = async |count: u64| {
        while stats().received.messages < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // Fills what the system buffers: the stranger reads no answers.
    while stats().queued < 10_000 {
        let (count, request) = ask(7000);
        stranger.send(request.as_bytes()).await;
        soon(come(count)).await;
    }
    let (last, request) = ask(1);
    stranger.send(request.as_bytes()).await;
    let context = format!(r#"["","aemp::trace","{PARENT}"]"#);
    stranger.send(context.as_bytes()).await;
    soon(come(last + 1)).await;

    let mut stream = stranger.into_inner();
    let answer = format!(r#"["r","x",{last},""]"#);
    let mut heard = vec![0; 1 << 20];
    let mut tail = Vec::new();
    while !tail.ends_with(answer.as_bytes()) {
        let read = soon(stream.read(&mut heard)).await.unwrap();
        assert!(read > 0, "the node has closed");
        tail.extend_from_slice(&heard[..read]);
        tail.drain(..tail.len().saturating_sub(answer.len()));
    }
    stream.write_all(br#"["p","n",1]"#).await.unwrap();
    let traced = soon(traces.recv()).await.unwrap();
    assert_eq!(traced, (1, TRACE.to_owned()));
}

#[tokio::test]
async fn no_message_is_refused_because_of_its_context() {
    let node = node("node").configure(|config| config.limits.message_size = 60);
    let node = listening(node).await;
    let (mut stranger, _) = join(&node, "stranger", READS).await;
    info_span!("root").in_scope(|| {
        let sent = node.try_send(port("stranger#p"), ("one", 1));
        sent.unwrap();
    });
    assert_eq!(stranger.until("]").await, r#"["p","one",1]"#);
    assert_eq!(node.stats().connections[0].sent.messages, 1);
}
