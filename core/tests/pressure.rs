//! What a node's own senders put into the queues of its ports: how they wait for room, and what happens past the limit.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use aemp_core::{
    CallError, Config, Context, LocalNode, Message, Overflow, PortId, PortRef, SendError, Stopped,
    Unhandled, reason,
};

const KIB: usize = 1 << 10;

async fn node(change: impl FnOnce(&mut Config)) -> LocalNode {
    let node = LocalNode::builder().id("n").configure(change);
    node.start().await.unwrap()
}

async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future.into_future())
        .await
        .expect("within 60 s")
}

fn is_ready<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    let mut cx = TaskContext::from_waker(Waker::noop());
    matches!(future.poll(&mut cx), Poll::Ready(_))
}

/// A handler that is stuck with its shard until it is told to go on. It passes on the numbers that it got.
struct Stuck {
    go: mpsc::Sender<()>,
    numbers: mpsc::Receiver<u64>,
}

impl Stuck {
    fn new() -> (Self, impl FnMut(u64) + Send + 'static) {
        let (go, going) = mpsc::channel::<()>();
        let (number, numbers) = mpsc::channel();
        let mut first = true;
        let handler = move |n| {
            if std::mem::take(&mut first) {
                going.recv_timeout(Duration::from_secs(60)).unwrap();
            }
            number.send(n).unwrap();
        };
        (Self { go, numbers }, handler)
    }

    /// An untyped port.
    fn port(node: &LocalNode) -> (Self, PortId) {
        let (stuck, mut handler) = Self::new();
        let port = node.port(move |_: &mut Context<'_>, message: Message| {
            let (n, _): (u64, String) = message.parse().unwrap();
            handler(n);
        });
        (stuck, port)
    }

    /// What it got, when it has ended.
    fn all(&self) -> Vec<u64> {
        self.numbers.iter().collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_waits_for_room_fills_no_queue() {
    let node = node(|config| config.shards = 1).await;
    let (stuck, port) = Stuck::port(&node);
    let mut sent = 0;
    // The own node, the port, and any other port of the same shard have the same queue here.
    let other = node.port(|_: &mut Context<'_>, _: Message| ());
    loop {
        node.send(&port, (sent, "x".repeat(KIB)));
        sent += 1;
        if !is_ready(pin!(node.ready(node.id()))) {
            break;
        }
        assert!(sent < 10_000, "nothing of it is counted");
    }
    let high_water = 1 << 20;
    let backlog = node.stats().shards[0].local_backlog;
    assert!((high_water..3 * high_water).contains(&backlog), "{backlog}");
    assert!(!is_ready(pin!(node.ready(&port))));
    assert!(!is_ready(pin!(node.ready(&other))));
    let ready = node.ready(&port);
    stuck.go.send(()).unwrap();
    soon(ready).await.unwrap();
    soon(node.ready(node.id())).await.unwrap();
    node.kill(&port, reason!["enough"]);
    soon(node.gone(&port)).await;
    assert_eq!(stuck.all(), (0..sent).collect::<Vec<_>>());
    let stats = node.stats();
    assert_eq!(stats.local_refused, 0);
    assert_eq!(stats.shards[0].local_backlog, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_limit_a_port_that_misses_a_message_dies_and_others_do_not() {
    let limit = 512 * KIB;
    let node = node(|config| {
        config.shards = 2;
        config.local_limit = limit;
    })
    .await;
    let (stuck, port) = Stuck::port(&node);
    let gone = node.gone(&port);
    let mut inboxes: Vec<_> = (0..40).map(|_| node.inbox()).collect();
    for n in 0..10_000u64 {
        node.send(&port, (n, "x".repeat(KIB)));
    }
    let refused = node.stats().local_refused;
    assert!((8_000..9_600).contains(&refused), "{refused}");
    let backlog: usize = node.stats().shards.iter().map(|s| s.local_backlog).sum();
    assert!(backlog < 2 * limit, "{backlog}");
    // Half of them are on the other shard, which has room.
    for inbox in &inboxes {
        node.send(inbox.id(), ("hello",));
    }
    let others = async {
        loop {
            let there = inboxes.iter_mut().filter_map(aemp_core::Inbox::try_recv);
            if there.count() > 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(others).await;
    stuck.go.send(()).unwrap();
    assert_eq!(soon(gone).await, reason!["queue_full", limit as u64]);
    // What it has missed is the end of what was sent: nothing came behind it.
    let got = stuck.all();
    assert!((400..=10_000 - refused).contains(&(got.len() as u64)));
    assert_eq!(got, (0..got.len() as u64).collect::<Vec<_>>());
    // There is room again, for a port of the same shard too.
    let (stuck, port) = Stuck::port(&node);
    stuck.go.send(()).unwrap();
    node.send(&port, (0, ""));
    assert_eq!(stuck.numbers.recv_timeout(Duration::from_secs(60)), Ok(0));
}

/// 128 bytes.
#[derive(serde::Serialize, serde::Deserialize)]
struct Large(u64, [u64; 15]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_messages_have_the_same_limit() {
    let node = node(|config| {
        config.shards = 1;
        config.local_limit = 128 * KIB;
    })
    .await;
    let (stuck, mut handler) = Stuck::new();
    let port: PortRef<Large> = node.typed_port(move |_, Large(n, _)| handler(n));
    let gone = node.gone(&port);
    for n in 0..10_000 {
        node.tell(&port, Large(n, [0; 15]));
    }
    let refused = node.stats().local_refused;
    assert!((7_000..9_500).contains(&refused), "{refused}");
    stuck.go.send(()).unwrap();
    assert_eq!(soon(gone).await.kind(), Some("queue_full"));
    let got = stuck.all();
    assert!((500..=10_000 - refused).contains(&(got.len() as u64)));
    assert_eq!(got, (0..got.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_the_own_node_are_never_missed() {
    let node = node(|config| {
        config.shards = 1;
        config.local_limit = 64 * KIB;
    })
    .await;
    let (stuck, port) = Stuck::port(&node);
    for n in 0..1000u64 {
        node.send(&port, (n, "x".repeat(KIB)));
    }
    assert!(node.stats().local_refused > 0);
    let time = node.call::<(f64,)>(node.id(), ("time",));
    stuck.go.send(()).unwrap();
    // The answer finds room when the queue has been worked off.
    soon(time).await.unwrap();
}

#[tokio::test]
async fn who_waits_for_an_inbox_waits_for_half_of_its_bounds() {
    let node = node(|_| ()).await;
    let mut inbox = node.inbox_with(|bounds| bounds.messages = 10);
    for n in 0..5 {
        soon(node.ready(inbox.port())).await.unwrap();
        node.send(inbox.id(), (n,));
    }
    let mut ready = pin!(node.ready(inbox.id().clone()));
    assert!(!is_ready(ready.as_mut()));
    // What was sent is in the inbox then.
    node.ports().await;
    assert!(!is_ready(ready.as_mut()));
    // A port has as much room as the queue of its shard.
    assert!(is_ready(pin!(node.ready(node.id()))));
    soon(inbox.recv()).await.unwrap();
    soon(ready).await.unwrap();

    // The same by bytes, and for whoever waits when it dies.
    let lossy = node.inbox_with(|bounds| {
        bounds.bytes = 20 * KIB;
        bounds.overflow = Overflow::DropNewest;
        bounds.unhandled = Unhandled::Count;
    });
    for _ in 0..12 {
        node.send(lossy.id(), ("x".repeat(KIB),));
    }
    node.ports().await;
    let mut ready = pin!(node.ready(lossy.id()));
    assert!(!is_ready(ready.as_mut()));
    node.kill(lossy.id(), reason!["enough"]);
    soon(ready).await.unwrap();
}

#[tokio::test]
async fn a_producer_that_waits_never_fills_a_small_inbox() {
    let node = node(|config| config.shards = 1).await;
    let mut inbox = node.inbox_with(|bounds| bounds.messages = 10);
    let (from, port) = (node.clone(), inbox.id().clone());
    let producer = tokio::spawn(async move {
        for n in 0..1000 {
            from.send(&port, (n,));
            from.ready(&port).await.unwrap();
        }
    });
    for n in 0..1000 {
        let message = soon(inbox.recv()).await.expect("it lives");
        assert_eq!(message.parse::<(u64,)>().unwrap(), (n,));
    }
    soon(producer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_to_send_is_told_and_the_port_lives() {
    let limit = 64 * KIB;
    let node = node(|config| {
        config.shards = 1;
        config.local_limit = limit;
    })
    .await;
    let (stuck, port) = Stuck::port(&node);
    let (typed, mut handler) = Stuck::new();
    let other: PortRef<Large> = node.typed_port(move |_, Large(n, _)| handler(n));
    let text = || "x".repeat(KIB);
    let sent = (0..1000).take_while(|n| node.try_send(&port, (*n, text())).is_ok());
    let sent = sent.count() as u64;
    assert!((64..900).contains(&sent), "{sent}");
    let error = node.try_send(&port, (sent, text())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "message to \"{port}\" not sent: more than 65536 bytes wait for the ports of this node (local_limit)"
        )
    );
    let error = node.try_tell(&other, Large(0, [0; 15])).unwrap_err();
    assert!(matches!(error, SendError::NoRoom { .. }));
    let error = soon(node.call::<()>(&port, (sent, text())))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Send(SendError::NoRoom { .. })));
    for stuck in [&stuck, &typed] {
        stuck.go.send(()).unwrap();
    }
    // There is room again, and nothing was missed.
    soon(node.ready(&port)).await.unwrap();
    node.try_send(&port, (sent, text())).unwrap();
    node.try_tell(&other, Large(7, [0; 15])).unwrap();
    for n in 0..=sent {
        assert_eq!(stuck.numbers.recv_timeout(Duration::from_secs(60)), Ok(n));
    }
    assert_eq!(typed.numbers.recv_timeout(Duration::from_secs(60)), Ok(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_ports_those_die_that_miss_a_message() {
    let node = node(|config| {
        config.shards = 1;
        config.local_limit = 64 * KIB;
    })
    .await;
    let (stuck, port) = Stuck::port(&node);
    let others: Vec<_> = (0..2000)
        .map(|_| node.port(|_: &mut Context<'_>, _: Message| ()))
        .collect();
    for n in 0..1000u64 {
        node.send(&port, (n, "x".repeat(KIB)));
    }
    for _ in 0..3 {
        for port in &others {
            node.send(port, ("x".repeat(KIB),));
        }
    }
    stuck.go.send(()).unwrap();
    // Where a port lives, it has missed nothing.
    let left = soon(node.ports()).await;
    assert!((1..100).contains(&left.len()), "{}", left.len());
    for port in left.iter().filter(|port| !port.name.is_node_port()) {
        assert_eq!(port.messages, 3, "{port:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_port_of_a_name_that_has_missed_a_message_dies_of_what_it_misses_itself() {
    let node = node(|config| {
        config.shards = 1;
        config.local_limit = 64 * KIB;
    })
    .await;
    let (stuck, port) = Stuck::port(&node);
    while node.try_send(&port, (0, "x".repeat(KIB))).is_ok() {}
    // Nobody has this name, and then somebody does.
    node.send("n#late", (0,));
    let got = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = got.clone();
    let late = move |_: &mut Context<'_>, _: Message| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let late = node.port_named("late", late).unwrap();
    let gone = node.gone(&late);
    node.send(&late, (1,));
    stuck.go.send(()).unwrap();
    assert_eq!(soon(gone).await.kind(), Some("queue_full"));
    assert_eq!(got.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_the_own_node_makes_no_room_for_others() {
    let limit = 64 * KIB;
    let node = node(|config| {
        config.shards = 1;
        config.local_limit = limit;
    })
    .await;
    let (stuck, port) = Stuck::port(&node);
    for n in 0..5_000u64 {
        let _ = node.try_send(&port, (n, "x".repeat(KIB)));
        node.send(node.id(), ("devnull",));
    }
    // 500 bytes a request, and a chunk.
    let backlog = node.stats().shards[0].local_backlog;
    assert!(backlog < limit + 5_000 * 500, "{backlog}");
    assert!(node.stats().local_refused > 3_000);
    stuck.go.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_room_learns_of_the_end_of_the_node() {
    let node = node(|config| config.shards = 1).await;
    let (stuck, port) = Stuck::port(&node);
    for n in 0..3000u64 {
        node.send(&port, (n, "x".repeat(KIB)));
    }
    let waiting = node.clone();
    let ready = tokio::spawn(async move { waiting.ready(&port).await });
    let stopped = tokio::spawn(node.shutdown());
    assert_eq!(soon(ready).await.unwrap(), Err(Stopped));
    stuck.go.send(()).unwrap();
    soon(stopped).await.unwrap();
}

#[tokio::test]
async fn a_text_that_is_no_port_waits_for_nothing_and_is_counted() {
    let node = node(|_| ()).await;
    soon(node.ready("n#")).await.unwrap();
    assert_eq!(node.stats().misaddressed, 0);
    soon(node.ready("#")).await.unwrap();
    assert_eq!(node.stats().misaddressed, 1);
}
