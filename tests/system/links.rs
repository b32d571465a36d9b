//! Two nodes over one connection: messages, requests, and what happens when the connection ends.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::{ConnectError, NodeEvent, ShutdownReport};
use aemp::{Context, LocalNode, Message, NodeId, Notify, PortId, Reason, Value, reason, routes};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::common::{Network, linked, node, soon, unlinked, until};
use crate::stranger::Stranger;

async fn pair(network: &Network, codecs: [&[&str]; 2]) -> (LocalNode, LocalNode) {
    let a = node("a", network)
        .codecs(codecs[0].iter().copied())
        .bind("mem:a")
        .start()
        .await
        .unwrap();
    let b = node("b", network)
        .codecs(codecs[1].iter().copied())
        .seed("mem:a")
        .start()
        .await
        .unwrap();
    soon(b.joined()).await.unwrap();
    linked(&a, "b").await;
    (a, b)
}

fn adder(node: &LocalNode) -> PortId {
    let mut total = 0;
    node.port_of(routes().on("add", move |cx, (n, reply): (i64, PortId)| {
        total += n;
        cx.send(&reply, ("total", total));
    }))
}

const EITHER: &[&str] = &["cbor", "json"];

#[tokio::test]
async fn a_call_crosses_the_network_with_every_pair_of_codecs() {
    let lists: [&[&str]; 4] = [&["json"], &["cbor"], &["json", "cbor"], &["cbor", "json"]];
    for ours in lists {
        for theirs in lists {
            let network = Network::default();
            let a = node("a", &network)
                .codecs(ours.iter().copied())
                .bind("mem:a")
                .start()
                .await
                .unwrap();
            let b = node("b", &network)
                .codecs(theirs.iter().copied())
                .seed("mem:a")
                .start()
                .await
                .unwrap();
            let common = |list: &[&str], can: &[&str]| {
                list.iter()
                    .find(|name| can.contains(name))
                    .map(|name| String::from(*name))
            };
            let Some(expected) = common(ours, theirs) else {
                let error = aemp::error::Report(&soon(b.joined()).await.unwrap_err()).to_string();
                assert!(error.contains("json") && error.contains("cbor"), "{error}");
                continue;
            };
            soon(b.joined()).await.unwrap();
            let link = b.connections().remove(0);
            assert_eq!(link.send_codec(), expected, "{ours:?} {theirs:?}");
            assert_eq!(Some(link.recv_codec().into()), common(theirs, ours));
            let (_, total): (String, i64) = soon(b.call(adder(&a), ("add", 41))).await.unwrap();
            assert_eq!(total, 41);
        }
    }
}

#[tokio::test]
async fn messages_sent_before_the_connection_arrive_in_order() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    let mut inbox = a.inbox();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    for n in 0..1000 {
        b.send(inbox.id(), ("n", n));
    }
    for n in 0..1000 {
        let (_, m): (String, i32) = soon(inbox.recv()).await.unwrap().parse().unwrap();
        assert_eq!(m, n);
    }
}

#[tokio::test]
async fn a_node_whose_address_is_known_is_connected_to_on_demand() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    let b = node("b", &network)
        .peer("a", "mem:a")
        .start()
        .await
        .unwrap();
    assert!(b.connections().is_empty());
    let (_, total): (String, i64) = soon(b.call(adder(&a), ("add", 1))).await.unwrap();
    assert_eq!((total, b.connections().len()), (1, 1));
}

#[tokio::test]
async fn without_an_address_messages_fail_at_once() {
    let network = Network::default();
    let b = node("b", &network).start().await.unwrap();
    let nobody: PortId = "nowhere#x".parse().unwrap();
    let gone = b.gone(&nobody);
    assert_eq!(
        soon(gone).await,
        reason!["transport_error", "nowhere", "no known address"]
    );
    let error = soon(b.call::<()>(&nobody, ("hi",)))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "\"nowhere#x\" cannot answer: transport_error: nowhere, no known address"
    );
}

#[tokio::test]
async fn an_address_where_nobody_listens_fails_with_what_happened() {
    let network = Network::default();
    let b = node("b", &network)
        .peer("a", "mem:a")
        .configure(|c| c.connect_timeout = Duration::from_millis(50));
    let b = b.start().await.unwrap();
    let mut events = b.events();
    let why = soon(b.gone("a#x")).await.to_string();
    assert_eq!(why, "transport_error: a, mem:a: connection refused");
    let Some(NodeEvent::Unreachable { node, error, .. }) = soon(events.recv()).await else {
        panic!("an event tells it");
    };
    assert_eq!(
        (node.as_str(), error.to_string()),
        ("a", "mem:a: connection refused".into())
    );
    let ConnectError::Unreachable { addresses, .. } = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(&addresses[..], [(at, ConnectError::Io(io))] if at.target() == "a" && io.kind() == ErrorKind::ConnectionRefused),
        "{addresses:?}"
    );
}

#[tokio::test]
async fn another_node_at_the_address_is_not_taken_for_the_one_wanted() {
    let network = Network::default();
    let _a = node("a", &network).bind("mem:a").start().await.unwrap();
    let b = node("b", &network)
        .peer("c", "mem:a")
        .configure(|c| c.connect_timeout = Duration::from_millis(50));
    let b = b.start().await.unwrap();
    let mut events = b.events();
    let why = soon(b.gone("c#x")).await.to_string();
    assert_eq!(
        why,
        "transport_error: c, mem:a: \"a\" answers there, not \"c\""
    );
    let Some(NodeEvent::Unreachable {
        error: ConnectError::Unreachable { addresses, .. },
        ..
    }) = soon(events.recv()).await
    else {
        panic!("an event tells it");
    };
    assert!(matches!(
        &addresses[..],
        [(_, ConnectError::WrongNode { expected, found, .. })] if expected == "c" && found == "a"
    ));
}

#[tokio::test]
async fn a_kill_reaches_the_port_with_its_reason() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    let port = a.port(|_: &mut Context<'_>, _: Message| ());
    let (here, there) = (a.gone(&port), b.gone(&port));
    b.kill(&port, reason!["enough", 3, Value::Null]);
    assert_eq!(soon(here).await, reason!["enough", 3, Value::Null]);
    assert_eq!(soon(there).await, reason!["enough", 3, Value::Null]);
}

#[tokio::test]
async fn a_reason_that_the_codec_lacks_arrives_as_its_diagnostic_text() {
    let network = Network::default();
    let (a, b) = pair(&network, [&["json"], EITHER]).await;
    let port = a.port(|_: &mut Context<'_>, _: Message| ());
    let gone = a.gone(&port);
    b.kill(
        &port,
        reason!["bytes", bytes::Bytes::from_static(b"\x01\xff")],
    );
    assert_eq!(soon(gone).await, reason!["bytes", "h'01ff'"]);
}

#[tokio::test]
async fn a_message_arrives_before_the_news_that_its_sender_is_dead() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    let mut inbox = b.inbox();
    let to = inbox.id().clone();
    for _ in 0..200 {
        let to = to.clone();
        let dying = a.port(move |cx: &mut Context<'_>, _: Message| {
            cx.send(&to, ("last words",));
            cx.stop(Reason::normal());
        });
        let _watch = b.monitor(&dying, Notify(inbox.id(), ("dead",)));
        b.send(&dying, ("go",));
        for expected in ["last words", "dead"] {
            assert_eq!(
                soon(inbox.recv()).await.unwrap().tag().as_deref(),
                Some(expected)
            );
        }
    }
}

#[tokio::test]
async fn a_monitor_on_a_port_that_does_not_exist_there_fires() {
    let network = Network::default();
    let (_a, b) = pair(&network, [EITHER; 2]).await;
    let why = soon(b.gone("a#nobody")).await;
    assert_eq!(
        why,
        reason![
            "no_such_port",
            "cannot monitor nonexistent port",
            "a#nobody"
        ]
    );
}

#[tokio::test]
async fn a_port_is_spawned_elsewhere_and_used_at_once() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    a.offer("math::times", |_node, (factor,): (i64,)| {
        routes().on("of", move |cx, (n, reply): (i64, PortId)| {
            cx.send(&reply, (factor * n,))
        })
    });
    let times = b
        .spawn(NodeId::new("a").unwrap(), "math::times", (3,))
        .unwrap();
    let (product,): (i64,) = soon(b.call(&times, ("of", 14))).await.unwrap();
    assert_eq!(product, 42);
    let lost = b.spawn(a.id(), "math::times", ("three",)).unwrap();
    assert_eq!(soon(b.gone(&lost)).await.kind(), Some("no_such_port"));
}

#[tokio::test]
async fn a_dropped_node_is_noticed_and_its_monitors_fire() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    let mut events = b.events();
    let (port, whole) = (b.gone(adder(&a)), b.gone(PortId::from(a.id().clone())));
    drop(a);
    let why = soon(port).await;
    assert_eq!(
        why.values()[..2],
        [Value::from("transport_error"), Value::from("a")]
    );
    assert_eq!(soon(whole).await.kind(), Some("transport_error"));
    let event = soon(events.recv()).await.unwrap();
    assert!(matches!(event, NodeEvent::Down { node, .. } if node == *"a"));
    unlinked(&b, "a").await;
}

#[tokio::test]
async fn a_seed_is_connected_to_again_when_it_returns() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    let old = adder(&a);
    drop(a);
    unlinked(&b, "a").await;
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    linked(&b, "a").await;
    assert_eq!(b.connections()[0].generation(), 2);
    // The restarted node never answers to an old port ID.
    assert_eq!(soon(b.gone(&old)).await.kind(), Some("no_such_port"));
    let (_, total): (String, i64) = soon(b.call(adder(&a), ("add", 5))).await.unwrap();
    assert_eq!(total, 5);
}

/// Whichever shards the two ports are on.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_learns_of_a_loss_before_the_next_connection_brings_it_anything() {
    let network = Network::default();
    let b = node("b", &network).bind("mem:b").seed("mem:a");
    let b = b.configure(|config| config.shards = 4);
    let start = || node("a", &network).bind("mem:a").start();
    let (a, b) = tokio::join!(start(), b.start());
    let (a, b) = (a.unwrap(), b.unwrap());
    linked(&a, "b").await;
    let heard: Vec<_> = (0..16).map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
    let ports: Vec<_> = heard
        .iter()
        .map(|heard| {
            let (target, lost, heard) = (adder(&a), heard.clone(), heard.clone());
            let listen = routes().on("hear", move |_, (from,): (String,)| {
                heard.lock().unwrap().push(from);
            });
            b.port_of(listen.on_start(move |cx| {
                cx.monitor(&target, move |_| lost.lock().unwrap().push("lost".into()));
            }))
        })
        .collect();
    let say =
        |a: &LocalNode, what: &str| ports.iter().for_each(|port| a.send(port, ("hear", what)));
    let all_heard = |count: usize| {
        heard
            .iter()
            .all(|heard| heard.lock().unwrap().len() == count)
    };
    say(&a, "the first");
    until("all have heard the first", || all_heard(1)).await;
    soon(a.shutdown()).await;
    let a = start().await.unwrap();
    linked(&a, "b").await;
    say(&a, "the second");
    until("all have heard the second", || all_heard(3)).await;
    for heard in &heard {
        assert_eq!(*heard.lock().unwrap(), ["the first", "lost", "the second"]);
    }
}

#[tokio::test]
async fn shutdown_sends_what_is_queued_first() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    let mut inbox = a.inbox();
    for n in 0..10_000 {
        b.send(inbox.id(), (n, "some text to fill the queue"));
    }
    soon(b.shutdown()).await;
    for n in 0..10_000 {
        let (m, _): (i32, String) = soon(inbox.recv()).await.unwrap().parse().unwrap();
        assert_eq!(m, n);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_says_what_it_could_not_deliver_in_time() {
    let network = Network::default();
    let mut silent = network.accept_at("silent");
    let a = node("a", &network)
        .bind("mem:a")
        .peer("waiting", "mem:silent")
        .configure(|config| config.cleartext = true);
    let a = a.start().await.unwrap();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    let mut inbox = b.inbox();
    let _deaf = Stranger::join(&network, "a", "deaf").await;
    linked(&a, "deaf").await;
    let payload = "x".repeat(1000);
    for _ in 0..1000 {
        a.send("deaf#port", (&payload,));
        a.send(inbox.id(), (&payload,));
    }
    a.send("waiting#port", (&payload,));
    let _held = soon(silent.recv()).await.unwrap();

    let start = Instant::now();
    let report = a.shutdown_within(Duration::from_secs(5)).await;
    assert!((4.9..5.5).contains(&start.elapsed().as_secs_f64()));
    let [deaf, waiting] = &report.undelivered[..] else {
        panic!("{report:?}");
    };
    assert_eq!(
        (deaf.node.as_str(), waiting.node.as_str()),
        ("deaf", "waiting")
    );
    // All but what the connection had room for.
    assert!((900_000..1_010_000).contains(&deaf.bytes), "{report:?}");
    assert!((1000..1200).contains(&waiting.bytes), "{report:?}");
    for _ in 0..1000 {
        assert!(soon(inbox.recv()).await.is_some());
    }
}

#[tokio::test]
async fn what_json_cannot_carry_is_refused_with_its_path() {
    let network = Network::default();
    let (a, b) = pair(&network, [&["json"], EITHER]).await;
    let inbox = a.inbox();
    let payload = aemp::Map::from_iter([("payload", bytes::Bytes::from_static(b"\0"))]);
    let error = b.try_send(inbox.id(), ("store", (0, payload.clone())));
    let error = aemp::error::Report(&error.unwrap_err()).to_string();
    let expected = format!(
        "message to \"{}\" not sent: element 1 at [1].payload holds bytes, and this connection speaks json, which has none",
        inbox.id()
    );
    assert_eq!(error, expected);
    // Sent without asking for the error, the monitors on that port tell.
    let gone = b.gone(inbox.id());
    b.send(inbox.id(), ("store", (0, payload)));
    assert_eq!(soon(gone).await.kind(), Some("encode_error"));
}

#[tokio::test]
async fn two_nodes_that_dial_each_other_end_with_one_connection() {
    for _ in 0..20 {
        let network = Network::default();
        let a = node("a", &network).bind("mem:a").seed("mem:b");
        let b = node("b", &network).bind("mem:b").seed("mem:a");
        let (a, b) = tokio::join!(a.start(), b.start());
        let (a, b) = (a.unwrap(), b.unwrap());
        soon(a.joined()).await.unwrap();
        soon(b.joined()).await.unwrap();
        linked(&a, "b").await;
        linked(&b, "a").await;
        let (_, total): (String, i64) = soon(b.call(adder(&a), ("add", 1))).await.unwrap();
        let (_, other): (String, i64) = soon(a.call(adder(&b), ("add", 2))).await.unwrap();
        assert_eq!((total, other), (1, 2));
        assert_eq!(
            (
                a.connections()[0].generation(),
                b.connections()[0].generation()
            ),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn a_seed_that_is_the_node_itself_is_dropped() {
    let network = Network::default();
    let a = node("a", &network)
        .bind("mem:a")
        .seed("mem:a")
        .start()
        .await
        .unwrap();
    soon(a.joined()).await.unwrap();
    assert!(a.connections().is_empty());
}

#[tokio::test]
async fn a_dropped_guard_may_hold_another_of_the_same_node() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    let port = adder(&a);
    let inner = b.monitor(&port, |_: Reason| ());
    let outer = b.monitor(&port, move |_: Reason| drop(inner));
    drop(outer);
    soon(b.call::<(String, i64)>(&port, ("add", 1)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_peer_cannot_take_a_name_in_secret() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    a.offer("nothing", |_: &LocalNode, (): ()| routes());
    let node_port = PortId::from(a.id().clone());
    b.send(&node_port, ("AnyEvent::MP::_spawn", "greeter", "nothing"));
    soon(b.call::<(f64,)>(&node_port, ("time",))).await.unwrap();
    assert!(a.port_of_named("greeter", routes()).is_err());
    let taken = a.id().port("greeter");
    let gone = a.gone(&taken);
    a.kill(&taken, Reason::normal());
    soon(gone).await;
    assert!(a.port_of_named("greeter", routes()).is_ok());
}

#[tokio::test]
async fn a_stranger_under_the_name_of_a_node_does_not_stand_in_its_way() {
    let network = Network::default();
    let _a = node("a", &network).bind("mem:a").start().await.unwrap();
    let strangers: Vec<_> = (0..20)
        .map(|_| async {
            let mut pipe = network.dial("a").unwrap();
            pipe.stream
                .write_all(b"aemp;1;b;hmac_sha3_512;json;role=d\nx\n")
                .await
                .unwrap();
            // The node has read it once its own greeting is here.
            pipe.stream.read_u8().await.unwrap();
            pipe
        })
        .collect();
    let mut held = Vec::new();
    for stranger in strangers {
        held.push(soon(stranger).await);
    }
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    let started = Instant::now();
    soon(b.joined()).await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn what_waits_for_a_connection_is_told_when_the_node_stops() {
    let network = Network::default();
    let mut silent = network.accept_at("silent");
    let b = node("b", &network)
        .peer("a", "mem:silent")
        .start()
        .await
        .unwrap();
    let gone = b.gone("a#x");
    let _held = soon(silent.recv()).await.unwrap();
    soon(b.clone().shutdown()).await;
    let expected = reason!["transport_error", "a", "this node stopped"];
    assert_eq!(soon(gone).await, expected);
    assert_eq!(soon(b.gone("a#x")).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_joined_reaches_the_other_as_soon_as_that_knows() {
    for _ in 0..100 {
        let network = Network::default();
        let (a, b) = (node("a", &network), node("b", &network));
        let a = a.bind("mem:a").start().await.unwrap();
        let b = b.seed("mem:a").start().await.unwrap();
        let there = adder(&b);
        soon(b.joined()).await.unwrap();
        let (_, total): (String, i64) = soon(a.call(&there, ("add", 2))).await.unwrap();
        assert_eq!(total, 2);
    }
}

#[tokio::test]
async fn a_stopped_node_ends_its_events_and_takes_monitors_that_hold_others() {
    let network = Network::default();
    let (a, b) = pair(&network, [EITHER; 2]).await;
    let mut events = b.events();
    let port = adder(&a);
    let (first, second) = tokio::join!(b.clone().shutdown(), b.clone().shutdown());
    assert_eq!((&first, &second), (&ShutdownReport::default(), &first));
    assert!(matches!(
        soon(events.recv()).await,
        Some(NodeEvent::Down { .. })
    ));
    assert!(soon(events.recv()).await.is_none());

    let inner = b.monitor(&port, |_: Reason| ());
    b.monitor(&port, move |_: Reason| drop(inner)).detach();
    assert_eq!(soon(b.gone(&port)).await.kind(), Some("transport_error"));
}

#[tokio::test]
async fn a_shard_busy_with_monitors_lets_others_run() {
    let network = Network::default();
    let node = node("n", &network).start().await.unwrap();
    fn again(node: LocalNode, nobody: PortId) {
        let (next, port) = (node.clone(), nobody.clone());
        node.monitor(&nobody, move |_: Reason| again(next, port))
            .detach();
    }
    again(node.clone(), node.id().port("nobody"));
    let (_, total): (String, i64) = soon(node.call(adder(&node), ("add", 1))).await.unwrap();
    assert_eq!(total, 1);
    soon(node.shutdown()).await;
}
