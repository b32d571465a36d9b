//! Layers that panic where a span of a handler is entered, left or ended.

use aemp::routes;
use aemp::trace::{Propagator, TraceContext};
use tracing::span::Id;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry};

use crate::nodes::{SECRET, soon};

/// Everything belongs to one trace.
struct One;

impl Propagator for One {
    fn inject(&self) -> Option<TraceContext> {
        TraceContext::new(1, 1, 0)
    }

    fn span(&self, _: &TraceContext, port: &aemp::PortId) -> tracing::Span {
        tracing::info_span!(target: "panicking", "message", %port)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Enter,
    Exit,
    Close,
}

/// Panics at one of these.
struct Panicking(At);

impl Panicking {
    fn come_to(&self, at: At, id: &Id, cx: &Context<'_, Registry>) {
        let is_ours = |id| Some(cx.metadata(id)?.target() == "panicking");
        if self.0 == at && is_ours(id).unwrap_or_default() {
            panic!("a layer");
        }
    }
}

impl Layer<Registry> for Panicking {
    fn on_enter(&self, id: &Id, cx: Context<'_, Registry>) {
        self.come_to(At::Enter, id, &cx);
    }
    fn on_exit(&self, id: &Id, cx: Context<'_, Registry>) {
        self.come_to(At::Exit, id, &cx);
    }
    fn on_close(&self, id: Id, cx: Context<'_, Registry>) {
        self.come_to(At::Close, &id, &cx);
    }
}

#[tokio::test]
async fn a_layer_that_panics_ends_no_port_no_link_and_no_node() {
    for at in [At::Enter, At::Exit, At::Close] {
        // Of this thread, which runs all.
        let _layer = tracing_subscriber::registry()
            .with(Panicking(at))
            .set_default();
        let node = |id: &str| aemp::node().id(id).secret(SECRET).propagator(One);
        let seed = node("seed").bind("127.0.0.1:0").start().await.unwrap();
        let echo = seed.port_of(routes().answer("echo", |_, (n,): (u32,)| n));
        seed.offer_function("shop::open", |_, (reply,): (aemp::PortId,)| drop(reply));
        let worker = node("worker").seed(seed.addresses()[0].to_string());
        let worker = worker.start().await.unwrap();
        worker.joined().await.unwrap();
        for n in 0..5 {
            worker.send(seed.id(), ("shop::open", "worker#nobody"));
            for node in [&worker, &seed] {
                let back: u32 = soon(node.call(&echo, ("echo", n))).await.unwrap();
                assert_eq!(back, n);
            }
        }
        assert_eq!(worker.stats().connections[0].info.generation(), 1);
        assert_eq!(seed.shutdown().await.failure, None);
    }
}
