//! A call, and what it causes on two other nodes, as one trace of OpenTelemetry.
//!
//! A program has an exporter that sends its spans to a collector, such as that of `opentelemetry-otlp`. This one keeps them in
//! memory and shows them as a tree:
//!
//! ```text
//! checkout
//!   message to stock#shelf
//!     take
//!       message to ledger#book
//!         write
//! ```

use std::time::Duration;

use aemp::{LocalNode, routes};
use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;

const SECRET: &str = "correct horse battery staple";

/// A node whose messages carry traces.
async fn node(id: &str, seed: Option<String>) -> aemp::Result<LocalNode> {
    let node = aemp::node().id(id).secret(SECRET).bind("127.0.0.1:0");
    let node = node.propagator(aemp_opentelemetry::Propagator);
    let node = match seed {
        Some(seed) => node.seed(seed),
        None => node,
    };
    let node = node.start().await?;
    node.joined().await?;
    Ok(node)
}

#[tracing::instrument(skip_all)]
async fn checkout(shop: &LocalNode) -> aemp::Result<()> {
    let left: u32 = shop.call("stock#shelf", ("take", 2)).await?;
    println!("{left} pears are left");
    Ok(())
}

#[tokio::main]
async fn main() -> aemp::Result<()> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone());
    let provider = provider.build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("traced"));
    let layer = layer.with_filter(LevelFilter::INFO.and(filter_fn(aemp_opentelemetry::is_traced)));
    tracing_subscriber::registry().with(layer).init();

    let shop = node("shop", None).await?;
    let seed = shop.addresses()[0].to_string();
    let ledger = node("ledger", Some(seed.clone())).await?;
    let book = routes().on("taken", |_, (n,): (u32,)| {
        let _span = tracing::info_span!("write", n).entered();
    });
    ledger.port_of_named("book", book)?;
    let stock = node("stock", Some(seed)).await?;
    let mut left = 10;
    let shelf = routes().answer("take", move |cx, (n,): (u32,)| {
        let _span = tracing::info_span!("take", n).entered();
        left -= n;
        cx.send("ledger#book", ("taken", n));
        left
    });
    stock.port_of_named("shelf", shelf)?;

    checkout(&shop).await?;
    // The last of the spans has ended when there are five.
    while exporter
        .get_finished_spans()
        .is_ok_and(|spans| spans.len() < 5)
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let spans = exporter.get_finished_spans().unwrap_or_default();
    let trace = spans[0].span_context.trace_id();
    assert!(
        spans
            .iter()
            .all(|span| span.span_context.trace_id() == trace)
    );
    println!("trace {trace}");
    show(&spans, SpanId::INVALID, 1);
    Ok(())
}

/// Prints the spans whose parent is `parent`, and what is below them.
fn show(spans: &[SpanData], parent: SpanId, level: usize) {
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        let port = span
            .attributes
            .iter()
            .find(|field| field.key.as_str() == "port");
        let port = port.map_or_else(String::new, |port| format!(" to {}", port.value));
        println!("{:1$}{2}{port}", "", 2 * level, span.name);
        show(spans, span.span_context.span_id(), level + 1);
    }
}
