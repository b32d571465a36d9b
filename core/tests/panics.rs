//! User code that panics, at each place where a node runs or drops it, affects nothing else.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aemp_core::{
    Context, LocalNode, Message, Port, PortId, PortRef, Reason, ShutdownReport, Supervision,
    reason, routes,
};

/// Panics when dropped, with a payload that panics when dropped as well, this number of times.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            std::panic::panic_any(Self(left));
        }
    }
}

/// A node with one shard, so that all ports are on the shard where user code panics.
async fn node() -> LocalNode {
    let builder = LocalNode::builder().id("n");
    let builder = builder.configure(|config| config.shards = 1);
    builder.start().await.unwrap()
}

async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future.into_future())
        .await
        .expect("within 10 s")
}

/// Checks that the node still works: it answers, and stops without a failure.
async fn is_well(node: LocalNode) {
    let echo = node.port(|cx: &mut Context<'_>, message: Message| {
        let (reply,): (PortId,) = message.parse().unwrap();
        cx.send(&reply, ());
    });
    soon(node.call::<()>(&echo, ())).await.unwrap();
    assert_eq!(soon(node.shutdown()).await, ShutdownReport::default());
}

fn idle_port(node: &LocalNode) -> PortId {
    node.port(|_: &mut Context<'_>, _: Message| ())
}

#[tokio::test]
async fn a_callback_that_panics_as_its_monitor_is_taken_back_hurts_nobody() {
    let node = node().await;
    let port = idle_port(&node);
    let bomb = Bomb(3);
    drop(node.monitor(&port, move |_| drop(bomb)));
    is_well(node).await;
}

#[tokio::test]
async fn a_callback_that_panics_as_it_fires_hurts_nobody() {
    let node = node().await;
    let port = idle_port(&node);
    let watch = node.monitor(&port, |_| std::panic::panic_any(Bomb(3)));
    let gone = node.gone(&port);
    node.kill(&port, reason!["because"]);
    soon(gone).await;
    drop(watch);
    is_well(node).await;
}

#[tokio::test]
async fn a_panic_whose_payload_panics_kills_its_port_alone() {
    struct Failing;
    impl Port for Failing {
        fn start(&mut self, _: &mut Context<'_>) -> Result<(), Reason> {
            std::panic::panic_any(Bomb(3));
        }
        fn receive(&mut self, _: &mut Context<'_>, _: Message) -> Result<(), Reason> {
            Ok(())
        }
    }
    let node = node().await;
    let port = node.port(|_: &mut Context<'_>, _: Message| -> () {
        std::panic::panic_any(Bomb(3));
    });
    let gone = node.gone(&port);
    node.send(&port, ());
    assert_eq!(soon(gone).await, reason!["die", "a panic without text"]);
    node.port_of(Failing);
    is_well(node).await;
}

#[tokio::test]
async fn a_port_that_panics_with_what_it_owns_as_it_is_dropped_fires_its_monitors() {
    let node = node().await;
    let (bomb, other) = (Bomb(3), idle_port(&node));
    let port = node.port_of(
        routes()
            .on("go", move |_, ()| {
                let _ = &bomb;
            })
            .on_start(move |cx| {
                let bomb = Bomb(3);
                cx.monitor(&other, move |_| drop(bomb));
                let bomb = Bomb(3);
                cx.spawn(async move {
                    std::future::pending::<()>().await;
                    drop(bomb);
                });
            }),
    );
    let gone = node.gone(&port);
    node.kill(&port, reason!["because"]);
    assert_eq!(soon(gone).await, reason!["because"]);
    is_well(node).await;
}

#[tokio::test]
async fn a_task_of_a_port_that_panics_kills_it() {
    let node = node().await;
    let port = node.port_of(
        routes().on_start(move |cx| cx.spawn(async { std::panic::panic_any(Bomb(3)) as () })),
    );
    assert_eq!(soon(node.gone(&port)).await.kind(), Some("die"));
    is_well(node).await;
}

#[tokio::test]
async fn a_port_that_panics_at_its_end_ends_with_its_own_reason() {
    struct Stubborn(Bomb);
    impl Port for Stubborn {
        fn receive(&mut self, _: &mut Context<'_>, _: Message) -> Result<(), Reason> {
            Ok(())
        }
        fn stop(&mut self, cx: &mut Context<'_>, _: &Reason) {
            let _ = &self.0;
            let bomb = Bomb(3);
            cx.spawn(async move { drop(bomb) });
            std::panic::panic_any(Bomb(3));
        }
    }
    let node = node().await;
    let port = node.port_of(Stubborn(Bomb(3)));
    let gone = node.gone(&port);
    node.kill(&port, reason!["because"]);
    assert_eq!(soon(gone).await, reason!["because"]);
    is_well(node).await;
}

/// A message whose code panics: when it is dropped, and when it is serialised.
#[derive(serde::Deserialize)]
struct Mine {
    #[serde(skip)]
    bomb: Option<Bomb>,
}

impl serde::Serialize for Mine {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        std::panic::panic_any(Bomb(3))
    }
}

#[tokio::test]
async fn a_typed_message_that_panics_on_its_way_hurts_no_other_port() {
    let node = node().await;
    let mine = || Mine {
        bomb: Some(Bomb(3)),
    };
    // Handled, left over by a port that died of the first one, for no port, and for a port of another type.
    let handled = node.typed_port(|_, mine: Mine| std::mem::forget(mine.bomb));
    let dies = node.typed_port(|cx, _: Mine| cx.stop(reason!["because"]));
    let absent: PortRef<Mine> = PortRef::unchecked("n#absent".parse().unwrap());
    let untyped = PortRef::unchecked(idle_port(&node));
    let dies_of_it = node.gone(dies.id());
    for port in [&handled, &dies, &dies, &absent, &untyped, &untyped] {
        node.tell(port, mine());
    }
    assert_eq!(soon(dies_of_it).await.kind(), Some("die"));
    // Neither a port of another type nor the node port is to blame.
    let itself: PortRef<Mine> = PortRef::unchecked(node.id().clone().into());
    let own = node.clone();
    let sender = node.port(move |_, _| own.tell(&itself, Mine { bomb: None }));
    let gone = node.gone(&sender);
    node.send(&sender, ());
    assert_eq!(soon(gone).await.kind(), Some("die"));
    let names = soon(node.ports()).await.into_iter().map(|port| port.name);
    let names: Vec<_> = names.collect();
    assert!(names.contains(untyped.id().port()) && names.contains(&aemp_core::PortName::NODE_PORT));
    // Values that wait in an inbox.
    let inbox = node.typed_inbox::<Mine>();
    for _ in 0..3 {
        node.tell(inbox.port(), mine());
    }
    soon(node.ports()).await;
    drop(inbox);
    // In the queue of a node that stops.
    let stopping = node.clone();
    let last = node.typed_port(move |_, _: Mine| {
        stopping.tell(&absent, mine());
    });
    node.tell(&last, Mine { bomb: None });
    is_well(node).await;
}

/// Two values whose destructors panic, dropped one after the other as the library holds them: a second panic while the first
/// unwinds would end the process.
#[tokio::test]
async fn destructors_that_panic_one_after_the_other_hurt_nobody() {
    let node = node().await;
    for n in 0..2 {
        let (bomb, other) = (Bomb(3), Bomb(3));
        node.offer_function(format!("function {n}"), move |_, ()| {
            let _ = &bomb;
        });
        node.offer(format!("port {n}"), move |_, ()| {
            let _ = &other;
            routes()
        });
    }
    // The previous one is dropped.
    node.offer_function("function 0", |_, ()| ());
    let handler = |bomb: Bomb| {
        move |_: &mut Context<'_>, ()| {
            let _ = &bomb;
        }
    };
    let port = node.port_of(
        routes()
            .on("one", handler(Bomb(3)))
            .on("two", handler(Bomb(3))),
    );
    let gone = node.gone(&port);
    node.kill(&port, reason!["because"]);
    assert_eq!(soon(gone).await, reason!["because"]);
    let child = |bomb: Bomb| {
        move |node: &LocalNode| {
            let _ = &bomb;
            idle_port(node)
        }
    };
    let supervision = Supervision::one_for_one()
        .child("one", child(Bomb(3)))
        .child("two", child(Bomb(3)));
    let supervisor = node.supervise(supervision);
    supervisor.add("three", child(Bomb(3))).unwrap();
    supervisor.remove("two").await.unwrap();
    supervisor.stop().await;
    // What is added while the supervisor dies is never taken.
    let supervisor = node.supervise(Supervision::one_for_one());
    node.kill(supervisor.id(), reason!["because"]);
    let _ = supervisor.add("one", child(Bomb(3)));
    supervisor.stop().await;
    is_well(node).await;
}

/// A `tracing` subscriber that panics at one line: user code that no guard protects.
struct Trap(Arc<AtomicBool>);

impl tracing::Subscriber for Trap {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "aemp::port"
    }
    fn event(&self, _: &tracing::Event<'_>) {
        if self.0.swap(false, Ordering::Relaxed) {
            panic!("the disk is full");
        }
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
}

#[tokio::test]
async fn a_shard_that_ends_stops_its_node_visibly() {
    let armed = Arc::new(AtomicBool::new(true));
    let _trap = tracing::subscriber::set_default(Trap(armed));
    let node = node().await;
    let (port, mut inbox) = (idle_port(&node), node.inbox());
    let gone = node.gone(&port);
    let call = node.call::<()>(&port, ());
    let (fired, told) = std::sync::mpsc::channel();
    let _watch = node.monitor(&port, move |reason| fired.send(reason).unwrap());
    // The failure to start this port is logged, which triggers the panic.
    node.port_of(routes().on_start(|_| Err(reason!["no"])));
    let why = soon(gone).await.to_string();
    assert!(why.contains("the disk is full"), "{why}");
    assert_eq!(
        told.recv_timeout(Duration::from_secs(60)).unwrap().kind(),
        Some("transport_error")
    );
    assert!(soon(call).await.is_err());
    assert!(soon(inbox.recv()).await.is_none());
    let failure = soon(node.shutdown()).await.failure.unwrap();
    assert!(
        failure.contains("shard 0") && failure.contains("the disk is full"),
        "{failure}"
    );
}
