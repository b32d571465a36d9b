//! Traces within one node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aemp::trace::TraceContext;
use aemp::{CallError, Context, LocalNode, Message, PortId, PortRef, ReplyTo, routes};
use aemp_opentelemetry::Propagator;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc;
use tracing::{Instrument, info_span};
use tracing_subscriber::prelude::*;

use crate::nodes::soon;
use crate::spans::{all, current, ended, exporting, find, node, seen};

#[derive(serde::Serialize, serde::Deserialize)]
enum Price {
    Ask(ReplyTo<u32>),
    Log,
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_message_causes_in_a_node_is_one_trace() {
    let node = node("here").start().await.unwrap();
    let (done, mut is_done) = mpsc::unbounded_channel();
    let log = node.port_of(routes().on("log", move |_, ()| done.send(current()).unwrap()));
    let prices: PortRef<Price> = {
        let log = log.clone();
        node.typed_port(move |cx, price: Price| match price {
            Price::Ask(reply) => reply.send(cx, 5),
            Price::Log => cx.send(&log, ("log",)),
        })
    };
    let asked = prices.clone();
    let shop = node.port_of(routes().on("order", move |cx, ()| {
        let _inner = info_span!("inner").entered();
        let price = cx.ask(&asked, Price::Ask);
        let prices = asked.clone();
        cx.spawn_then(price, move |cx, price: Result<u32, CallError>| {
            assert_eq!(price.unwrap(), 5);
            cx.tell(&prices, Price::Log);
        });
    }));
    let root = info_span!("root");
    let trace = root.in_scope(|| {
        node.send(&shop, ("order",));
        current()
    });
    drop(root);
    assert_eq!(soon(is_done.recv()).await.unwrap(), trace);

    // The root, order, inner, ask, log of the price, log.
    let spans = all(&trace, 6).await;
    let root = find(&spans, "root", "");
    let order = find(&spans, "message", &shop.to_string());
    let inner = find(&spans, "inner", "");
    assert_eq!(order.parent, root.id);
    assert_eq!(inner.parent, order.id);
    let told = spans.iter().filter(|span| span.port == prices.to_string());
    assert!(told.clone().all(|span| span.parent == inner.id) && told.clone().count() == 2);
    let log = find(&spans, "message", &log.to_string());
    assert!(told.clone().any(|span| span.id == log.parent));
    // The answer to the question has no span.
    assert_eq!(spans.len(), 6, "{spans:#?}");
}

/// Sends `each` messages from each of four threads, every other one in a trace of its own: with its trace as its content. The port
/// compares.
pub(crate) async fn mixed<M: Send + 'static>(
    each: usize,
    right: Arc<AtomicUsize>,
    send: impl Fn(M) + Clone + Send + 'static,
    message: impl Fn(String) -> M + Clone + Send + 'static,
) {
    let threads = (0..4).map(|_| {
        let (send, message) = (send.clone(), message.clone());
        std::thread::spawn(move || {
            for n in 0..each {
                match n % 2 {
                    0 => info_span!("mixed").in_scope(|| send(message(current()))),
                    _ => send(message(String::new())),
                }
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let all_came = async {
        while right.load(Ordering::Relaxed) < 4 * each {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon(all_came).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_that_of_its_own_message_whatever_others_send() {
    let node = node("mixed").start().await.unwrap();
    let right = Arc::new(AtomicUsize::new(0));
    let counted = right.clone();
    let port = node.port(move |_: &mut Context<'_>, message: Message| {
        let (expected,): (String,) = message.parse().unwrap();
        assert_eq!(current(), expected);
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let sender = node.clone();
    mixed(
        200,
        right,
        move |message: (String,)| sender.send(&port, message),
        |trace| (trace,),
    )
    .await;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Told(String);
    let right = Arc::new(AtomicUsize::new(0));
    let counted = right.clone();
    let port = node.typed_port(move |_, Told(expected)| {
        assert_eq!(current(), expected);
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let sender = node.clone();
    mixed(200, right, move |told| sender.tell(&port, told), Told).await;
}

#[tokio::test]
async fn what_belongs_to_no_trace_gets_none() {
    let node = node("untraced").start().await.unwrap();
    let (seen, mut traces) = mpsc::unbounded_channel();
    let last = seen.clone();
    let last = node.port_of(routes().on("last", move |_, ()| last.send(current()).unwrap()));
    let first = node.port_of(routes().on("first", move |cx, ()| {
        seen.send(current()).unwrap();
        let (node, last) = (cx.node(), last.clone());
        cx.spawn(async move { node.send(&last, ("last",)) });
    }));
    node.send(&first, ("first",));
    assert_eq!(soon(traces.recv()).await.unwrap(), "");
    assert_eq!(soon(traces.recv()).await.unwrap(), "");

    // Timers are not traced either.
    info_span!("timing").in_scope(|| {
        node.send_after(std::time::Duration::ZERO, &first, ("first",))
            .detach();
    });
    assert_eq!(soon(traces.recv()).await.unwrap(), "");
}

#[tokio::test]
async fn without_the_filter_a_node_is_still_no_trace() {
    let (exporter, layer) = exporting();
    let _guard = tracing_subscriber::registry().with(layer).set_default();
    let node = aemp::node().propagator(Propagator).start().await.unwrap();
    let (seen_at, mut traces) = mpsc::unbounded_channel();
    let last = node.port_of(routes().on("last", move |_, ()| seen_at.send(current()).unwrap()));
    let first = node.port_of(routes().on("first", move |cx, ()| cx.send(&last, ("last",))));
    node.send(&first, ("first",));
    assert_eq!(soon(traces.recv()).await.unwrap(), "");
    let root = info_span!("root");
    let trace = root.in_scope(|| {
        node.send(&first, ("first",));
        current()
    });
    assert_eq!(soon(traces.recv()).await.unwrap(), trace);
    node.shutdown().await;
    let spans = exporter.get_finished_spans().unwrap();
    let messages = spans.iter().filter(|span| span.name == "message");
    let of_root = |span: &SpanData| seen(span).trace == trace;
    assert_eq!(messages.clone().count(), 2);
    assert!(messages.clone().all(of_root));
}

/// A propagator that panics wherever it can.
struct Panicking;

impl aemp::trace::Propagator for Panicking {
    fn inject(&self) -> Option<TraceContext> {
        // Alternately, since the span would never be asked for.
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        match CALLS.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => panic!("no context"),
            _ => TraceContext::new(1, 1, 0),
        }
    }

    fn span(&self, _: &TraceContext, _: &PortId) -> tracing::Span {
        panic!("no span")
    }
}

#[tokio::test]
async fn a_propagator_that_panics_loses_the_trace_and_no_message() {
    let node: LocalNode = aemp::node().propagator(Panicking).start().await.unwrap();
    let echo = node.port_of(routes().answer("echo", |_, (n,): (u32,)| n));
    for n in 0..10 {
        let back: u32 = soon(node.call(&echo, ("echo", n))).await.unwrap();
        assert_eq!(back, n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_and_spawned_ports_of_this_node_are_in_the_trace() {
    let node = node("functions").start().await.unwrap();
    let (seen, mut traces) = mpsc::unbounded_channel();
    let started = seen.clone();
    node.offer_function("shop::open", move |_, (): ()| seen.send(current()).unwrap());
    node.offer("shop::till", move |_, (): ()| {
        started.send(current()).unwrap();
        routes().on("take", |_, ()| ())
    });
    let trace = async {
        node.send(node.id(), ("shop::open",));
        node.spawn(node.id(), "shop::till", ()).unwrap();
        current()
    };
    let trace = trace.instrument(info_span!("root")).await;
    assert_eq!(soon(traces.recv()).await.unwrap(), trace);
    assert_eq!(soon(traces.recv()).await.unwrap(), trace);
    assert!(!ended(&trace).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_trace_are_bounded_and_counted_as_others_are() {
    let limit = 256 << 10;
    let (go, going) = std::sync::mpsc::channel::<()>();
    let node = node("bounded").configure(|config| config.local_limit = limit);
    let node = node.start().await.unwrap();
    let mut is_first = true;
    let stuck = node.port(move |_: &mut Context<'_>, _: Message| {
        if std::mem::take(&mut is_first) {
            going.recv().unwrap();
        }
    });
    let typed: PortRef<(u64, [u64; 16])> = PortRef::unchecked(stuck.clone());
    let gone = node.gone(&stuck);
    let backlog = || -> usize {
        let shards = node.stats().shards;
        shards.iter().map(|shard| shard.local_backlog).sum()
    };
    info_span!("root").in_scope(|| {
        for n in 0..10_000u64 {
            node.send(&stuck, ("n", n, "x".repeat(100)));
            node.tell(&typed, (n, [n; 16]));
        }
    });
    assert!((limit / 4..2 * limit).contains(&backlog()), "{}", backlog());
    assert!(node.stats().local_refused > 0);
    go.send(()).unwrap();
    assert_eq!(soon(gone).await.kind(), Some("queue_full"));
    // Nothing is left counted.
    let is_empty = async {
        while backlog() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(is_empty).await;
}
