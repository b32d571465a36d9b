//! OpenTelemetry for aemp: a call and all that it causes are one trace, whichever nodes they run on.
//!
//! For programs that use `tracing` with the layer of `tracing-opentelemetry`. Each node that takes part is given the
//! [`Propagator`], and the layer the filter [`is_traced`]:
//!
//! ```no_run
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
//! use tracing_subscriber::prelude::*;
//!
//! # async fn example() -> aemp::Result<()> {
//! // With the exporter of the program's choice, such as that of `opentelemetry-otlp`.
//! let provider = SdkTracerProvider::builder().build();
//! let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
//! let layer = layer.with_filter(LevelFilter::INFO.and(filter_fn(aemp_opentelemetry::is_traced)));
//! tracing_subscriber::registry().with(layer).init();
//!
//! let node = aemp::node().propagator(aemp_opentelemetry::Propagator).seed("192.0.2.1:4040").start().await?;
//! checkout(&node).await?;
//! # Ok(())
//! # }
//!
//! #[tracing::instrument(skip_all)]
//! async fn checkout(node: &aemp::LocalNode) -> aemp::Result<()> {
//!     // The handler of "stock#pears" runs in a span of this trace, and so does what it sends to others.
//!     let left: u32 = node.call("stock#pears", ("take", 2)).await?;
//!     println!("{left} pears are left");
//!     Ok(())
//! }
//! ```
//!
//! What belongs to a trace, what goes over the wire and to whom is in the documentation of the trait
//! [`Propagator`](aemp_core::trace::Propagator). W3C's `traceparent` and `tracestate` are carried; baggage is not.
//!
//! A handler's span is called `message`, with the field `port` and the kind `consumer`, its target is `aemp::trace` and its level
//! `INFO`: a filter that drops it ends the trace there. Spans that the handler makes itself, by `#[instrument]` for example, are
//! its children.

use aemp_core::trace::TraceContext;
use aemp_core::{Excerpt, PortId};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Carries traces of OpenTelemetry along with messages; see the [crate](self).
///
/// ```
/// let builder = aemp::node().id("shop").propagator(aemp_opentelemetry::Propagator);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Propagator;

impl aemp_core::trace::Propagator for Propagator {
    fn inject(&self) -> Option<TraceContext> {
        let span = Span::current();
        // All that a node does of itself would be one trace that lasts as long as the node.
        if span.metadata().is_some_and(|metadata| !is_traced(metadata)) {
            return None;
        }
        // The layer knows the current span, but where it does not activate contexts. The span that `tracing` knows may be one
        // that the layer's filter hides, inside of one that it shows.
        let current = opentelemetry::Context::map_current(context_of);
        current.or_else(|| context_of(&span.context()))
    }

    fn span(&self, parent: &TraceContext, port: &PortId) -> Span {
        let span = tracing::info_span!(target: "aemp::trace", "message", port = %Excerpt(port), otel.kind = "consumer");
        let parent = SpanContext::new(
            TraceId::from(parent.trace_id()),
            SpanId::from(parent.span_id()),
            TraceFlags::new(parent.flags()),
            true,
            parent.state().parse::<TraceState>().unwrap_or_default(),
        );
        // Fails where there is no layer, or its filter hides the span: then there is no trace to continue.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
        span
    }
}

/// Whether the layer of OpenTelemetry should see a span or an event: all but the spans `node` and `link` of aemp, which last as
/// long as the node and the connection. Without this filter, spans of handlers whose messages belong to no trace
/// are children of those.
///
/// ```
/// use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
/// # use tracing_subscriber::{Layer, Registry};
/// # fn example(layer: impl Layer<Registry>) {
/// let layer = layer.with_filter(LevelFilter::INFO.and(filter_fn(aemp_opentelemetry::is_traced)));
/// # }
/// ```
pub fn is_traced(metadata: &Metadata<'_>) -> bool {
    let span = (metadata.target(), metadata.name());
    !(metadata.is_span() && matches!(span, ("aemp::node", "node") | ("aemp::link", "link")))
}

fn context_of(context: &opentelemetry::Context) -> Option<TraceContext> {
    let span = context.span();
    let span = span.span_context();
    let trace_id = u128::from_be_bytes(span.trace_id().to_bytes());
    let span_id = u64::from_be_bytes(span.span_id().to_bytes());
    let found = TraceContext::new(trace_id, span_id, span.trace_flags().to_u8())?;
    Some(found.with_state(&span.trace_state().header()))
}
