//! A whole node, to which a member says anything: it neither panics nor hangs, and another member notices nothing. The input
//! is a line with the name of a codec, and a stream in it.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "of the tests' helpers, this needs a part"
)]

#[path = "../../tests/system/common.rs"]
mod common;
#[path = "../../tests/common/nodes.rs"]
mod nodes;
#[path = "../../tests/common/pipe.rs"]
mod pipe;
#[path = "../../tests/common/stranger.rs"]
mod scripted;
#[path = "../../tests/system/stranger.rs"]
mod stranger;

use aemp::trace::{Propagator, TraceContext};
use aemp::{PortId, Value, routes};
use common::{Network, node, soon};
use libfuzzer_sys::fuzz_target;
use stranger::Stranger;
use tokio::runtime::Builder;

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let framing = match &data[..end] {
        b"json" => "json",
        b"cbor" => "cbor",
        _ => return,
    };
    // On a clock of its own, which stands while there is something to do.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime
        .expect("a runtime")
        .block_on(run(framing, &data[end + 1..]));
});

/// Reads the traces of others, and sends one with each message.
struct Traced;

impl Propagator for Traced {
    fn inject(&self) -> Option<TraceContext> {
        TraceContext::new(1, 2, 1)
    }

    fn span(&self, _: &TraceContext, _: &PortId) -> tracing::Span {
        tracing::Span::none()
    }
}

async fn run(framing: &str, stream: &[u8]) {
    let network = Network::default();
    let victim = node("victim", &network)
        .bind("mem:victim")
        .propagator(Traced)
        .configure(|config| {
            config.cleartext = true;
            config.shards = 1;
            config.limits = aemp_fuzz::limits();
        });
    let victim = victim.start().await.expect("the victim starts");
    let other = node("other", &network)
        .seed("mem:victim")
        .propagator(Traced)
        .configure(|config| config.shards = 1);
    let other = other.start().await.expect("the other node starts");
    soon(other.joined()).await.expect("the other node joins");
    let generation = nodes::link(&victim, "other").await.generation();

    let mut stranger = Stranger::join_in(framing, &network, "victim", "x").await;
    stranger.send(stream).await;
    stranger.close().await;
    stranger.closed().await;

    // What a member may do to ports, it may; this one is new.
    let echo = routes().on("echo", |cx, (what, reply): (Value, PortId)| {
        cx.send(&reply, (what,))
    });
    let echo = victim.port_of(echo);
    let (answer,): (u64,) = soon(other.call(&echo, ("echo", 7)))
        .await
        .expect("an answer");
    assert_eq!(answer, 7);
    assert_eq!(nodes::link(&victim, "other").await.generation(), generation);
    other.shutdown().await;
    victim.shutdown().await;
}
