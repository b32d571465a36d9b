//! `Propagator`: how the traces of the program go along with its messages.

use aemp_proto::node_protocol::TraceContext;
use tracing::Span;
use tracing::span::EnteredSpan;

use crate::{PortId, guard};

/// A span that the program's code runs in. To enter it, to leave it and to end it runs code of the program as well: its
/// layers, and its exporter, unless that has a task of its own.
pub(crate) struct Entered(Option<EnteredSpan>);

impl Entered {
    pub(crate) fn new(span: Span) -> Self {
        if span.is_disabled() {
            return Self(None);
        }
        Self(guard::run(|| span.entered()).ok())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(entered) = self.0.take() {
            guard::dispose(entered);
        }
    }
}

/// Carries traces along with messages, for a node that is given it by
/// [`NodeBuilder::propagator`](crate::NodeBuilder::propagator). The crate `aemp-opentelemetry` has the one for OpenTelemetry; this
/// library knows none itself.
///
/// A message that is sent where [`inject`](Self::inject) has a context is handled in a [`span`](Self::span) of that context, on
/// the same node or on another that has a propagator as well. So are functions that it calls and ports that it spawns. What a
/// handler [spawns](crate::Context::spawn) runs in the handler's span, and the messages that all of these send belong to the
/// trace too. An [`Inbox`](crate::Inbox) has [`recv_traced`](crate::Inbox::recv_traced).
///
/// These carry no context: answers to a call, whose caller has a span of its own; monitors, kills and timers; messages that a
/// node relays; and what is sent in the [`Port::start`](crate::Port::start) of a spawned port.
///
/// # On the wire
///
/// A node with a propagator has `trace=1` in its greeting, a key that other programs ignore. To a peer that says so, a message
/// with a context is preceded by the request `["", "aemp::trace", TRACEPARENT]` to its node port, with the `tracestate` of W3C
/// as a fourth element if there is one. It holds for the next message of that connection, and only for it. Nothing comes in
/// between, keepalives aside, and if the message is refused the request is not sent either. A node without a propagator
/// counts such a request as one that it does not know. So does any node with one that is malformed, or that comes from an
/// anonymous peer ([`ConnectionStats::unknown_requests`](crate::ConnectionStats::unknown_requests)).
///
/// # Contract
///
/// Both functions are called by whoever sends and by the tasks that run handlers, so they must not block. They must not
/// send messages. A panic counts as no context, and as a span that is disabled; one of a layer that the span is entered, left or
/// ended in is logged. A span ends on the task that runs the handler: its exporter should have a task of its own, as
/// OpenTelemetry's batch exporter has.
///
/// Whoever may spawn ports on the node chooses their names: show `port` escaped ([`Excerpt`](crate::Excerpt)).
///
/// ```
/// use aemp::PortId;
/// use aemp::trace::{Propagator, TraceContext};
///
/// /// Continues traces, but begins none.
/// struct Passing;
///
/// tokio::task_local! { static CURRENT: TraceContext; }
///
/// impl Propagator for Passing {
///     fn inject(&self) -> Option<TraceContext> {
///         CURRENT.try_with(Clone::clone).ok()
///     }
///
///     fn span(&self, parent: &TraceContext, port: &PortId) -> tracing::Span {
///         tracing::info_span!("message", trace = %parent, port = %aemp::logs::Excerpt(port))
///     }
/// }
///
/// let builder = aemp::node().propagator(Passing);
/// ```
pub trait Propagator: Send + Sync {
    /// The context of the code that calls this, which is about to send a message; `None` if it belongs to no trace.
    fn inject(&self) -> Option<TraceContext>;

    /// A span in which a message to `port` is handled, as a child of the span that has sent it. For a request to the node
    /// itself, a function to be called or a port to be spawned, `port` is the node port.
    fn span(&self, parent: &TraceContext, port: &PortId) -> Span;
}
