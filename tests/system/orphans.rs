//! A node whose runtime is dropped while it is connected.

use std::future::IntoFuture;
use std::time::Duration;

use aemp::error::Stopped;
use aemp::{Context, Message, NodeEvent, PortId};
use tokio::runtime::{Builder, Runtime};

use crate::common::{Network, linked, node, soon};

fn runtime() -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn what_waits_for_another_node_ends_with_the_runtime_and_that_node_is_told() {
    let network = Network::default();
    let (own, other) = (runtime(), runtime());
    let silent = |_: &mut Context<'_>, _: Message| ();
    let a = node("a", &network).bind("mem:a");
    let a = own.block_on(a.start()).unwrap();
    let far = a.port(silent);
    // Nobody answers there.
    let _door = network.accept_at("c");
    let nowhere: PortId = "c#p".parse().unwrap();
    let (b, near, waiting) = other.block_on(async {
        let b = node("b", &network).seed("mem:a").peer("c", "mem:c");
        let b = b.start().await.unwrap();
        soon(b.joined()).await.unwrap();
        let call = tokio::time::timeout(
            Duration::from_millis(50),
            b.call::<()>(&far, ("silence",)).into_future(),
        );
        call.await.unwrap_err();
        let near = b.port(silent);
        let waiting = [b.gone(&far), b.gone(&nowhere), b.gone(&near)];
        (b, near, waiting)
    });
    let (lost, mut events) = own.block_on(async {
        linked(&a, "b").await;
        (a.gone(&near), a.events())
    });
    drop(other);
    own.block_on(async {
        for gone in waiting {
            assert_eq!(soon(gone).await.kind(), Some("transport_error"));
        }
        assert_eq!(soon(lost).await.kind(), Some("transport_error"));
        assert!(
            matches!(soon(events.recv()).await, Some(NodeEvent::Down { node, .. }) if node == *"b")
        );
        for port in [&far, &nowhere] {
            assert!(soon(b.call::<()>(port, ("late",))).await.is_err());
            (0..1000).for_each(|n| b.send(port, (n,)));
            assert_eq!(soon(b.ready(port.node())).await, Err(Stopped));
        }
        assert!(b.connections().is_empty() && soon(b.joined()).await.is_err());
        assert!(soon(b.shutdown()).await.failure.is_some());
        soon(a.shutdown()).await;
    });
}

#[test]
fn a_callback_that_waits_for_a_connection_runs_when_the_runtime_ends_after_the_last_handle() {
    let network = Network::default();
    // It drops the connector last.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (fired, gone) = std::sync::mpsc::channel();
    // Nobody answers there.
    let _door = runtime.block_on(async {
        let door = network.accept_at("c");
        let b = node("b", &network).peer("c", "mem:c");
        let b = b.start().await.unwrap();
        let nowhere: PortId = "c#p".parse().unwrap();
        b.monitor(&nowhere, move |reason| drop(fired.send(reason)))
            .detach();
        // The connector has begun.
        tokio::task::yield_now().await;
        door
    });
    drop(runtime);
    let reason = gone.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(reason.kind(), Some("transport_error"));
}
