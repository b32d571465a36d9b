//! The spans of this process, as an exporter in memory gets them.

use std::sync::LazyLock;
use std::time::Duration;

use aemp::trace::{Propagator as _, TraceContext};
use aemp::{LocalNode, NodeBuilder};
use aemp_opentelemetry::{Propagator, is_traced};
use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use crate::nodes::SECRET;

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) name: String,
    /// The port, of a handler's span.
    pub(crate) port: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Zeros if there is none.
    pub(crate) parent: String,
}

static EXPORTER: LazyLock<InMemorySpanExporter> = LazyLock::new(|| {
    let (exporter, layer) = exporting();
    let layer = layer.with_filter(filter_fn(is_traced));
    tracing_subscriber::registry().with(layer).init();
    exporter
});

/// An exporter in memory, and the layer that feeds it.
pub(crate) fn exporting<S>() -> (InMemorySpanExporter, impl tracing_subscriber::Layer<S>)
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + Send + Sync,
{
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone());
    let tracer = provider.build().tracer("test");
    (exporter, tracing_opentelemetry::layer().with_tracer(tracer))
}

/// A builder of node `id`, whose messages carry traces.
pub(crate) fn node(id: &str) -> NodeBuilder {
    LazyLock::force(&EXPORTER);
    aemp::node().id(id).secret(SECRET).propagator(Propagator)
}

/// A node that is connected to `seed`.
pub(crate) async fn worker(id: &str, seed: &LocalNode) -> LocalNode {
    let worker = node(id).seed(seed.addresses()[0].to_string());
    let worker = worker.start().await.unwrap();
    worker.joined().await.unwrap();
    worker
}

/// The trace of the code that calls this; empty if there is none.
pub(crate) fn current() -> String {
    let context = Propagator.inject();
    context.map_or_else(String::new, |context| hex(&context))
}

fn hex(context: &TraceContext) -> String {
    format!("{:032x}", context.trace_id())
}

/// The spans of `trace` that have ended in this process.
pub(crate) fn ended(trace: &str) -> Vec<Seen> {
    let spans = EXPORTER.get_finished_spans().unwrap();
    let spans = spans.iter().map(seen);
    spans.filter(|span| span.trace == trace).collect()
}

/// The spans of `trace` in this process, once as many have ended.
pub(crate) async fn all(trace: &str, count: usize) -> Vec<Seen> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let spans = ended(trace);
        if spans.len() >= count {
            return spans;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not {count}: {spans:#?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The one span of `spans` that is called `name`, and is that of a message to `port` unless this is empty.
pub(crate) fn find<'s>(spans: &'s [Seen], name: &str, port: &str) -> &'s Seen {
    let mut found = spans
        .iter()
        .filter(|span| span.name == name && span.port == port);
    match (found.next(), found.next()) {
        (Some(span), None) => span,
        found => panic!("not one {name} of {port:?} but {found:?} in {spans:#?}"),
    }
}

pub(crate) fn seen(span: &SpanData) -> Seen {
    let attributes = &span.attributes;
    let port = attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == "port");
    let is_message = span.name == "message";
    assert_eq!(span.span_kind == SpanKind::Consumer, is_message, "{span:?}");
    Seen {
        name: span.name.to_string(),
        port: port.map_or_else(String::new, |port| port.value.to_string()),
        trace: span.span_context.trace_id().to_string(),
        id: span.span_context.span_id().to_string(),
        parent: span.parent_span_id.to_string(),
    }
}
