//! The end of a node: every operation that waits for the node completes, however the node ends.
#![allow(clippy::unwrap_used)]

use std::future::{Future, IntoFuture};
use std::sync::mpsc;
use std::time::Duration;

use aemp_core::{
    CallError, Context, LocalNode, Message, Notify, PortId, Reason, Stopped, TapConfig, reason,
    routes,
};
use tokio::runtime::{Builder, Runtime};

const LIMIT: Duration = Duration::from_secs(10);

async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future.into_future())
        .await
        .expect("within 10 s")
}

async fn node() -> LocalNode {
    LocalNode::builder().id("n").start().await.unwrap()
}

fn idle_port(node: &LocalNode) -> PortId {
    node.port(|_: &mut Context<'_>, _: Message| ())
}

/// Monitors `target` with a callback, and waits for its call.
fn told_by(node: &LocalNode, target: &PortId) -> Reason {
    let (tell, told) = mpsc::channel();
    let _watch = node.monitor(target, move |reason| tell.send(reason).unwrap());
    told.recv_timeout(LIMIT).unwrap()
}

/// A node on a runtime that is dropped once `before` has run on it.
fn orphan<T, F: Future<Output = T>>(
    runtime: Runtime,
    before: impl FnOnce(LocalNode) -> F,
) -> (LocalNode, T) {
    let (node, result) = runtime.block_on(async {
        let node = node().await;
        let result = before(node.clone()).await;
        (node, result)
    });
    drop(runtime);
    (node, result)
}

fn runtimes() -> [Runtime; 2] {
    let one = Builder::new_current_thread().enable_all().build().unwrap();
    let mut many = Builder::new_multi_thread();
    [one, many.worker_threads(2).enable_all().build().unwrap()]
}

fn is_stopped(reason: &Reason) -> bool {
    *reason == reason!["transport_error", "n", "node stopped"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_is_set_after_the_end_fires() {
    let node = node().await;
    let (port, other) = (
        idle_port(&node),
        PortId::from("m".parse::<aemp_core::NodeId>().unwrap()),
    );
    soon(node.clone().shutdown()).await;
    for target in [port, other.node().port("p"), other] {
        let (asked, whom) = (node.clone(), target.clone());
        let reason = tokio::task::spawn_blocking(move || told_by(&asked, &whom))
            .await
            .unwrap();
        assert_eq!(reason.kind(), Some("transport_error"), "{target}");
        assert_eq!(
            soon(node.gone(&target)).await.kind(),
            Some("transport_error")
        );
    }
}

#[tokio::test]
async fn a_monitor_on_a_port_that_lives_at_the_end_fires() {
    let node = node().await;
    let port = idle_port(&node);
    let (tell, told) = mpsc::channel();
    let _watch = node.monitor(&port, move |reason| tell.send(reason).unwrap());
    soon(node.shutdown()).await;
    assert!(is_stopped(&told.recv_timeout(LIMIT).unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_turns_when_what_was_queued_before_is_done_and_not_while_a_handler_blocks() {
    let mut builder = LocalNode::builder().id("n");
    builder = builder.configure(|config| config.shards = 1);
    let node = builder.start().await.unwrap();
    soon(node.shard_turn(0)).await.unwrap();
    assert_eq!(soon(node.shard_turn(1)).await, Err(Stopped));
    let (begun, mut begins) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let port = node.port(move |_: &mut Context<'_>, _: Message| {
        begun.send(()).unwrap();
        ends.recv().unwrap();
    });
    node.send(&port, ());
    begins = next(begins).await;
    let blocked = Duration::from_millis(50);
    assert!(
        tokio::time::timeout(blocked, node.shard_turn(0))
            .await
            .is_err()
    );
    // Further ones, which the shard takes together: each that begins is a step, and none is processed before all are.
    (0..3).for_each(|_| node.send(&port, ()));
    end.send(()).unwrap();
    begins = next(begins).await;
    let shard = || node.stats().shards[0];
    let before = shard();
    end.send(()).unwrap();
    begins = next(begins).await;
    let after = shard();
    assert_ne!(after.steps, before.steps);
    assert_eq!(after.processed, before.processed);
    end.send(()).unwrap();
    next(begins).await;
    end.send(()).unwrap();
    soon(node.shard_turn(0)).await.unwrap();
}

/// Waits for the next one without holding up the runtime.
async fn next(received: mpsc::Receiver<()>) -> mpsc::Receiver<()> {
    let wait = tokio::task::spawn_blocking(move || {
        received.recv_timeout(LIMIT).unwrap();
        received
    });
    wait.await.unwrap()
}

#[tokio::test]
async fn what_is_sent_too_late_is_added_up_for_each_node() {
    let node = node().await;
    soon(node.clone().shutdown()).await;
    for n in 0..1000 {
        for to in ["p#x", "m#x", "m#y"] {
            node.send(to, (n,));
        }
    }
    let undelivered = soon(node.shutdown()).await.undelivered;
    let [m, p] = &undelivered[..] else {
        panic!("{undelivered:?}");
    };
    assert_eq!((m.node.as_str(), p.node.as_str()), ("m", "p"));
    assert_eq!(m.bytes, 2 * p.bytes);
}

#[test]
fn what_waits_ends_when_the_runtime_does() {
    for runtime in runtimes() {
        let (node, kept) = orphan(runtime, |node| async move {
            let port = idle_port(&node);
            let call = node.call::<()>(&port, ()).into_future();
            let (tell, told) = mpsc::channel();
            let watch = node.monitor(&port, move |reason| tell.send(reason).unwrap());
            watch.detach();
            let child = |node: &LocalNode| node.port_of(routes());
            let supervision = aemp_core::Supervision::one_for_one().child("c", child);
            let members = node.group("family").live().await.unwrap();
            let watched = (node.directory().watch("family").unwrap(), members);
            let supervisor = node.supervise(supervision);
            let seen = (node.events(), node.tap(TapConfig::new()));
            let awaited = (call, node.gone(&port), told);
            (
                port.clone(),
                node.inbox(),
                seen,
                watched,
                awaited,
                supervisor,
            )
        });
        let (port, mut inbox, (mut events, mut tap), watched, awaited, supervisor) = kept;
        let ((mut family, mut members), (call, gone, told)) = (watched, awaited);
        let test = async move {
            assert!(is_stopped(&told.recv_timeout(LIMIT).unwrap()));
            assert!(is_stopped(&soon(gone).await));
            assert!(soon(call).await.is_err());
            assert!(soon(inbox.recv()).await.is_none());
            assert!(soon(events.recv()).await.is_none());
            assert!(soon(tap.recv()).await.is_none());
            while soon(family.recv()).await.is_some() {}
            soon(supervisor.stop()).await;
            assert!(soon(node.ports()).await.is_empty());
            assert_eq!(soon(node.shard_turn(0)).await, Err(Stopped));
            for id in ["m", node.id().as_str()] {
                assert_eq!(soon(node.ready(id)).await, Err(Stopped));
            }
            while soon(members.changed()).await.is_ok() {}
            assert_eq!(soon(members.changed()).await, Err(Stopped));
            assert!(soon(node.directory().keys("family")).await.is_err());
            let called = soon(node.call::<()>(&port, ())).await;
            assert!(matches!(called, Err(CallError::Gone { reason, .. }) if is_stopped(&reason)));
            let called = soon(node.call::<()>(&port, ()).within(LIMIT)).await;
            assert!(matches!(called, Err(CallError::Gone { reason, .. }) if is_stopped(&reason)));
            assert!(is_stopped(&told_by(&node, &port)));
            let other = "m#p".parse().unwrap();
            assert_eq!(told_by(&node, &other).kind(), Some("transport_error"));
            (0..1000).for_each(|n| node.send(&port, (n,)));
            assert!(node.stats().shards.iter().all(|shard| shard.queued == 0));
            node.send_every(LIMIT, &port, ()).detach();
            node.monitor(&port, Notify(&port, ())).detach();
            assert!(soon(node.inbox().recv()).await.is_none());
            let failure = soon(node.shutdown()).await.failure.unwrap();
            assert!(failure.contains("runtime"), "{failure}");
        };
        Runtime::new().unwrap().block_on(test);
    }
}

#[test]
fn a_call_without_a_runtime_has_its_limit() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let node = runtime.block_on(node());
    let port = idle_port(&node);
    let call = node.call::<()>(&port, ()).within(Duration::from_millis(20));
    let called = pollster(call.into_future());
    assert!(matches!(called, Err(CallError::TimedOut { .. })));
}

/// Runs a future as a program without a runtime would.
fn pollster<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park_timeout(LIMIT),
        }
    }
}
