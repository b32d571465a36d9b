//! Connections that nobody needs are closed in order, and made again when they are needed.

use std::time::Duration;

use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use aemp::{Address, LocalNode, NodeBuilder, NodeEvent, NodeId, PortId, Reason, reason, routes};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::common::{Network, linked, node, soon, unlinked};
use crate::pipe::Pipe;
use crate::stranger::Stranger;

const IDLE: Duration = Duration::from_secs(40);

/// Longer than any idle connection lives.
const LONG: Duration = Duration::from_secs(3600);

fn idle(id: &str, network: &Network) -> NodeBuilder {
    node(id, network)
        .bind(format!("mem:{id}"))
        .configure(|config| config.idle_timeout = Some(IDLE))
}

/// The same for scripted peers, which do not answer when they are asked for a sign of life.
fn patient(id: &str, network: &Network) -> NodeBuilder {
    idle(id, network).configure(|config| {
        config.cleartext = true;
        config.liveness_check = false;
    })
}

fn echo(node: &LocalNode) -> PortId {
    node.port_of(routes().on("ask", |cx, (reply,): (PortId,)| cx.send(&reply, ("here",))))
}

async fn ask(node: &LocalNode, port: &PortId) {
    let call = node.call::<(String,)>(port, ("ask",));
    soon(call.within(Duration::from_secs(10))).await.unwrap();
}

/// Two nodes that can dial each other, connected by `b`'s call.
async fn pair(a: NodeBuilder, b: NodeBuilder) -> (LocalNode, LocalNode, PortId) {
    let a = a.peer("b", "mem:b").start().await.unwrap();
    let b = b.peer("a", "mem:a").start().await.unwrap();
    let port = echo(&a);
    ask(&b, &port).await;
    (a, b, port)
}

fn generation(node: &LocalNode) -> Option<u64> {
    node.connections().first().map(|link| link.generation())
}

// The clock is virtual.
#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_when_it_was_idle_for_long_enough_and_made_again() {
    for (a_closes, b_closes) in [(true, false), (false, true), (true, true)] {
        let network = Network::default();
        let build = |id: &str, closes: bool| {
            let idle = closes.then_some(IDLE);
            node(id, &network)
                .bind(format!("mem:{id}"))
                .configure(|config| config.idle_timeout = idle)
        };
        let (a, b, port) = pair(build("a", a_closes), build("b", b_closes)).await;
        let mut events = a.events();
        let begun = Instant::now();
        let down = tokio::time::timeout(LONG, events.recv()).await.unwrap();
        let Some(NodeEvent::Down { reason, .. }) = down else {
            panic!("{down:?}");
        };
        let took = begun.elapsed();
        assert!(IDLE <= took && took <= IDLE * 5 / 4, "{took:?}");
        let [_, _, why] = reason.values() else {
            panic!("{reason:?}")
        };
        let expected = if a_closes {
            "no message within 40s (idle_timeout)"
        } else {
            "the peer closed the connection"
        };
        assert_eq!(why.as_str(), Some(expected));
        unlinked(&b, "a").await;

        ask(&b, &port).await;
        assert_eq!((generation(&a), generation(&b)), (Some(2), Some(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_time_no_connection_is_closed() {
    let network = Network::default();
    let build = |id: &str| node(id, &network).bind(format!("mem:{id}"));
    let (a, b, _port) = pair(build("a"), build("b")).await;
    tokio::time::sleep(LONG).await;
    assert_eq!((generation(&a), generation(&b)), (Some(1), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn messages_keep_a_connection_and_short_times_are_made_longer() {
    let network = Network::default();
    let short = |builder: NodeBuilder| {
        builder.configure(|config| config.idle_timeout = Some(Duration::from_millis(1)))
    };
    let (a, b, port) = pair(short(idle("a", &network)), short(idle("b", &network))).await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        b.send(&port, ("anything",));
    }
    assert_eq!((generation(&a), generation(&b)), (Some(1), Some(1)));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!((generation(&a), generation(&b)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_monitor_at_either_end_holds_a_connection_until_it_ends() {
    for whole_node in [false, true] {
        for by_a in [true, false] {
            let network = Network::default();
            let (a, b, at_a) = pair(idle("a", &network), idle("b", &network)).await;
            let (watcher, target) = match by_a {
                true => (&a, echo(&b)),
                false => (&b, at_a),
            };
            let target = match whole_node {
                true => PortId::from(target.node().clone()),
                false => target,
            };
            let guard = watcher.monitor(&target, |why: Reason| panic!("{why}"));
            tokio::time::sleep(LONG).await;
            assert_eq!((generation(&a), generation(&b)), (Some(1), Some(1)));
            drop(guard);
            tokio::time::sleep(2 * IDLE).await;
            assert_eq!((generation(&a), generation(&b)), (None, None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_holds_its_connection() {
    let network = Network::default();
    let (a, b, _) = pair(idle("a", &network), idle("b", &network)).await;
    let slow = a.port_of(routes().on("ask", |cx, (reply,): (PortId,)| {
        let timer = cx.node().send_after(LONG, &reply, ("late",));
        timer.detach();
    }));
    for limit in [None, Some(2 * LONG)] {
        let call = b.call::<(String,)>(&slow, ("ask",));
        let answer = match limit {
            Some(limit) => call.within(limit).await,
            None => call.await,
        };
        assert_eq!(answer.unwrap().0, "late");
        assert_eq!(generation(&a), Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_to_a_seed_is_held_from_both_ends_until_the_seed_is_removed() {
    let network = Network::default();
    let a = idle("a", &network).peer("b", "mem:b");
    let a = a.start().await.unwrap();
    let b = idle("b", &network).seed("mem:a").peer("a", "mem:a");
    let b = b.start().await.unwrap();
    soon(b.joined()).await.unwrap();
    ask(&b, &echo(&a)).await;
    tokio::time::sleep(LONG).await;
    assert_eq!((generation(&a), generation(&b)), (Some(1), Some(1)));
    b.remove_seed(&"mem:a".parse().unwrap());
    tokio::time::sleep(LONG).await;
    assert_eq!((generation(&a), generation(&b)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_address_is_not_known_stays_connected() {
    let network = Network::default();
    let a = idle("a", &network).start().await.unwrap();
    let b = node("b", &network).peer("a", "mem:a");
    let b = b.start().await.unwrap();
    ask(&b, &echo(&a)).await;
    tokio::time::sleep(LONG).await;
    assert_eq!((generation(&a), generation(&b)), (Some(1), Some(1)));
    // Once it is, the connection may go.
    a.set_peer_addresses(b.id(), ["mem:b".parse().unwrap()]);
    tokio::time::sleep(2 * IDLE).await;
    assert_eq!((generation(&a), generation(&b)), (None, None));
}

/// A scripted peer `x` of the node `a`, which begins to close the connection.
async fn closing(network: &Network) -> (LocalNode, Stranger) {
    closing_with(network, |_| ()).await
}

/// The same with other settings.
async fn closing_with(
    network: &Network,
    change: impl FnOnce(&mut aemp::Config),
) -> (LocalNode, Stranger) {
    let a = patient("a", network).configure(change).peer("x", "mem:x");
    let a = a.start().await.unwrap();
    let mut x = Stranger::join(network, "a", "x").await;
    linked(&a, "x").await;
    // What comes before the end does not matter.
    tokio::time::timeout(LONG, x.end()).await.unwrap();
    (a, x)
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_has_sent_meanwhile_arrives_and_what_is_sent_meanwhile_waits() {
    let network = Network::default();
    let mut door = network.accept_at("x");
    let (a, mut x) = closing(&network).await;
    let mut inbox = a.inbox();
    let name = inbox.id().port().to_string();
    let back: PortId = "x#back".parse().unwrap();

    a.send(&back, ("first",));
    x.send(format!("[\"{name}\",\"crossed\"]").as_bytes()).await;
    assert_eq!(
        soon(inbox.recv()).await.unwrap().tag().as_deref(),
        Some("crossed")
    );
    // A monitor that is set now belongs to the next connection, and does not fire with this one.
    let mut gone = Box::pin(a.gone(&back));
    a.send(&back, ("second",));
    // One that the peer set before it knew fires there when the connection ends. Nothing of it is left here.
    x.send(format!("[\"\",\"mon1\",\"{name}\"]").as_bytes())
        .await;
    x.send(format!("[\"{name}\",\"behind\"]").as_bytes()).await;
    soon(inbox.recv()).await.unwrap();
    assert!(door.try_recv().is_err(), "not before the old one is down");
    drop(x);

    let mut x = Stranger::from(soon(door.recv()).await.unwrap());
    x.greet("x", "json").await;
    x.until("[\"back\",\"first\"][\"\",\"mon1\",\"back\"][\"back\",\"second\"]")
        .await;
    linked(&a, "x").await;
    assert_eq!(generation(&a), Some(2));
    let ports = a.ports().await;
    let watchers = ports.iter().find(|port| port.name.as_str() == name);
    assert_eq!(watchers.unwrap().watchers, 0);
    assert!(stands(&mut gone).await);
    x.send(b"[]").await;
    drop(x);
    let lost = reason!["transport_error", "x", "the peer closed the connection"];
    assert_eq!(soon(gone).await, lost);
}

/// Whether a monitor has not fired.
async fn stands(gone: &mut (impl Future + Unpin)) -> bool {
    let fired = tokio::time::timeout(Duration::from_millis(1), gone).await;
    fired.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_dials_while_its_connection_closes_waits_for_the_end_of_it() {
    let network = Network::default();
    let (a, mut x) = closing(&network).await;
    let mut inbox = a.inbox();
    let name = inbox.id().port().to_string();
    let mut anew = Stranger::dial(&network, "a");
    anew.prove("x", "json").await;
    let _greeting = (anew.line().await, anew.line().await);
    anew.send(format!("[\"{name}\",2]").as_bytes()).await;
    // It is not let in, and the first may still bring something.
    tokio::time::sleep(Duration::from_secs(2)).await;
    x.send(format!("[\"{name}\",1]").as_bytes()).await;
    assert_eq!(
        soon(inbox.recv()).await.unwrap().parse::<(u8,)>().unwrap(),
        (1,)
    );
    drop(x);
    assert!(anew.line().await.starts_with("hmac_sha3_512;"));
    assert_eq!(
        soon(inbox.recv()).await.unwrap().parse::<(u8,)>().unwrap(),
        (2,)
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_close_in_turn_is_waited_for_a_short_time_only() {
    let network = Network::default();
    let mut door = network.accept_at("x");
    let (a, mut x) = closing(&network).await;
    a.send("x#back", ("hello",));
    // As long as it goes on sending, it is listened to.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        x.send(b"[]").await;
        assert!(door.try_recv().is_err());
    }
    let begun = Instant::now();
    let _next = soon(door.recv()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_gets_what_is_queued_and_the_rest_comes_over_the_next_connection() {
    let network = Network::default();
    let mut door = network.accept_at("x");
    let a = patient("a", &network).peer("x", "mem:x");
    let a = a.start().await.unwrap();
    let mut x = Stranger::join(&network, "a", "x").await;
    linked(&a, "x").await;
    let back: PortId = "x#back".parse().unwrap();
    let gone = a.gone(&back);
    x.send(b"[]").await;
    // More than is on its way at a time.
    for n in 0..10_000 {
        a.send(&back, ("number", n));
    }
    x.close().await;
    // The monitor fires at once, and what comes now comes later.
    let lost = reason!["transport_error", "x", "the peer closed the connection"];
    assert_eq!(soon(gone).await, lost);
    a.send(&back, ("more",));
    x.until("[\"back\",\"number\",9999]").await;
    x.end().await;
    drop(x);
    let mut x = Stranger::from(soon(door.recv()).await.unwrap());
    x.greet("x", "json").await;
    x.until("[\"back\",\"more\"]").await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_end_of_a_closing_connection_is_bounded() {
    let network = Network::default();
    let a = patient("a", &network).configure(|config| config.queue_limit = 10_000);
    let a = a.peer("x", "mem:x").start().await.unwrap();
    let mut x = Stranger::join(&network, "a", "x").await;
    linked(&a, "x").await;
    tokio::time::timeout(LONG, x.end()).await.unwrap();
    let back: PortId = "x#back".parse().unwrap();
    let gone = a.gone(&back);
    for _ in 0..200 {
        a.send(&back, ("a hundred bytes".repeat(7),));
    }
    let why = soon(gone).await;
    let expected = "more than 10000 bytes wait for a connection";
    assert_eq!(why, reason!["transport_error", "x", expected]);
    unlinked(&a, "x").await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_end_of_a_closing_connection_keeps_no_memory_once_it_is_too_much() {
    let network = Network::default();
    let (a, _x) = closing_with(&network, |config| {
        (config.queue_limit, config.high_water) = (10_000, 1_000);
    })
    .await;
    for _ in 0..200 {
        a.send("x#back", ("a hundred bytes".repeat(7),));
    }
    // Before the link's task has its turn.
    let node: NodeId = "x".parse().unwrap();
    let ready = std::pin::pin!(a.ready(&node));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(ready.poll(&mut cx).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_while_a_connection_closes_says_what_it_could_not_send() {
    let network = Network::default();
    let (a, _x) = closing(&network).await;
    let gone = a.gone("x#back");
    a.send("x#back", ("hello",));
    let report = soon(a.shutdown()).await;
    let x: NodeId = "x".parse().unwrap();
    assert_eq!(report.undelivered.len(), 1, "{report:?}");
    assert_eq!(report.undelivered[0].node, x);
    let expected = reason!["transport_error", "x", "this node stopped"];
    assert_eq!(soon(gone).await, expected);
}

/// The network, with a way between that takes time in each direction.
#[derive(Clone)]
struct Far(Network);

impl Far {
    const LATENCY: Duration = Duration::from_millis(7);

    /// Passes on what comes, later, and the end as well.
    async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut buffer).await.unwrap_or(0);
            tokio::time::sleep(Self::LATENCY).await;
            if read == 0 {
                let _ = to.shutdown().await;
                return;
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }
}

#[async_trait]
impl Transport for Far {
    fn scheme(&self) -> &str {
        "far"
    }

    async fn listen(
        &self,
        at: &Address,
        options: &SocketConfig,
    ) -> std::io::Result<Box<dyn Listener>> {
        self.0.listen(at, options).await
    }

    async fn connect(&self, to: &Address, _: &SocketConfig) -> std::io::Result<Box<dyn Stream>> {
        let far = self.0.dial(to.target())?;
        let (near, between) = tokio::io::duplex(64 << 10);
        let (from_far, to_far) = tokio::io::split(far.stream);
        let (from_near, to_near) = tokio::io::split(between);
        tokio::spawn(Self::carry(from_far, to_near));
        tokio::spawn(Self::carry(from_near, to_far));
        Ok(Box::new(Pipe {
            stream: near,
            local: far.local,
            peer: far.peer,
        }))
    }
}

/// Sends without monitors, which a lost connection would lose in silence, at all moments around a close.
#[tokio::test(start_paused = true)]
async fn no_message_is_lost_or_overtaken_however_it_meets_the_end_of_an_idle_connection() {
    const MESSAGES: u64 = 1000;
    let network = Network::default();
    let build = |id: &str, other: &str| {
        idle(id, &network)
            .transport(Far(network.clone()))
            .bind(format!("far:{id}"))
            .peer(other, format!("far:{other}"))
            .configure(|config| {
                config.keepalive_interval = Duration::from_millis(20);
                config.idle_timeout = Some(Duration::ZERO);
            })
    };
    let (a, b) = (build("a", "b").start(), build("b", "a").start());
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    let (mut at_a, mut at_b) = (a.inbox(), b.inbox());
    let send = async |node: &LocalNode, to: PortId, mut random: u64| {
        for n in 0..MESSAGES {
            node.send(&to, ("n", n));
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // An idle connection lives for 60 to 75 ms.
            let pause = 40_000 + (random >> 33) % 80_000;
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    };
    let take = async |inbox: &mut aemp::Inbox| {
        for expected in 0..MESSAGES {
            let next = tokio::time::timeout(LONG, inbox.recv()).await;
            let (_, n): (String, u64) = next.unwrap().unwrap().parse().unwrap();
            assert_eq!(n, expected);
        }
    };
    let (to_a, to_b) = (at_a.id().clone(), at_b.id().clone());
    tokio::join!(
        send(&a, to_b, 1),
        send(&b, to_a, 2),
        take(&mut at_a),
        take(&mut at_b),
    );
    ask(&b, &echo(&a)).await;
    let connections = generation(&a).unwrap();
    assert!(connections > MESSAGES / 10, "{connections}");
}
