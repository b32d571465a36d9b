//! Sending: to ports of this node into the queues of its shards, to others at the end of their peer's buffer.

use std::sync::Arc;

use aemp_proto::id::is_reply;
use aemp_proto::not_encoded;
use tracing::Span;

use super::Inner;
use crate::allowance::log_within;
use crate::codec::{EncodeError, Frame};
use crate::error::SendError;
use crate::guard;
use crate::message::IntoMessage;
use crate::port::ToPort;
use crate::shard::NoRoom;
use crate::trace::{Propagator, TraceContext};
use crate::{Excerpt, PortId, PortName, Report};

impl Inner {
    /// Sends a message without an error for the sender: if it cannot be encoded, this node's monitors on its port fire.
    #[inline]
    pub(crate) fn send(self: &Arc<Self>, to: &PortId, message: impl IntoMessage) {
        let Err(error) = self.try_send(to, message, None) else {
            return;
        };
        let refused = match &error {
            SendError::Encode { error, .. } => error,
            SendError::NoRoom { .. } => return self.shards.kill_without_room(to.port()),
            SendError::NoPortId { .. } => return,
        };
        if to.node() == &self.id {
            log_within!(self.network.logs.members, WARN, target: "aemp::link", "{}", Excerpt(Report(&error)));
            if is_reply(to.port()) {
                self.kill(to, not_encoded(&self.id, refused));
            }
            return;
        }
        let peer = self.network.peer(to.node());
        log_within!(peer, WARN, target: "aemp::link", "{}", Excerpt(Report(&error)));
        peer.report_not_sent(to.port(), refused);
    }

    /// Whether a port of this node is the reply port of a call.
    pub(crate) fn is_call(&self, port: &PortName) -> bool {
        is_reply(port) && self.names.is_generated(port)
    }

    /// Sends a typed message as [`send`](Self::send) does. To a port of this node the message moves as the value that it is.
    #[inline]
    pub(crate) fn tell<M>(self: &Arc<Self>, to: &PortId, message: M)
    where
        M: IntoMessage + Send + 'static,
    {
        if !self.moves_to(to) {
            self.send(to, message);
        } else if let Err(NoRoom) = self.deliver_moved(to, message) {
            self.shards.kill_without_room(to.port());
        }
    }

    #[inline]
    pub(crate) fn try_tell<M>(self: &Arc<Self>, to: &PortId, message: M) -> Result<(), SendError>
    where
        M: IntoMessage + Send + 'static,
    {
        if !self.moves_to(to) {
            return self.try_send(to, message, None);
        }
        let moved = self.deliver_moved(to, message);
        moved.map_err(|NoRoom| self.no_room(to))
    }

    #[inline]
    fn deliver_moved<M>(&self, to: &PortId, message: M) -> Result<(), NoRoom>
    where
        M: IntoMessage + Send + 'static,
    {
        let port = to.port();
        self.shards.deliver_moved(port, message, self.trace(port))
    }

    #[cold]
    fn no_room(&self, to: &PortId) -> SendError {
        SendError::NoRoom {
            to: to.clone(),
            limit: self.config.local_limit,
        }
    }

    /// The trace of the code that sends a message to `port`.
    #[inline]
    fn trace(&self, port: &PortName) -> Option<Box<TraceContext>> {
        inject(&**self.propagator.as_ref()?, port)
    }

    /// Whether messages carry traces.
    pub(crate) fn has_propagator(&self) -> bool {
        self.propagator.is_some()
    }

    /// The span in which a message to `port` is handled; disabled without a context.
    pub(crate) fn span(&self, context: Option<&TraceContext>, port: &PortName) -> Span {
        let (Some(context), Some(propagator)) = (context, &self.propagator) else {
            return Span::none();
        };
        let port = PortId::new(self.id.clone(), port.clone());
        guard::run(|| propagator.span(context, &port)).unwrap_or_else(|_| Span::none())
    }

    /// Whether a typed message to `to` moves as the value that it is. The node port has no type.
    #[inline]
    fn moves_to(&self, to: &PortId) -> bool {
        to.node() == &self.id && !to.port().is_node_port()
    }

    /// Sends a message to a port that may be given as a text.
    #[inline]
    pub(crate) fn try_send_to(
        self: &Arc<Self>,
        to: impl ToPort,
        message: impl IntoMessage,
    ) -> Result<(), SendError> {
        let sent = self.with_port(&to, |to| self.try_send(to, message, None));
        sent.unwrap_or_else(|error| Err(SendError::no_port_id(&to, error)))
    }

    #[inline]
    pub(crate) fn try_send(
        self: &Arc<Self>,
        to: &PortId,
        message: impl IntoMessage,
        reply: Option<&PortId>,
    ) -> Result<(), SendError> {
        let refused = |error| SendError::Encode {
            to: to.clone(),
            error,
        };
        if to.node() != &self.id {
            let frame = Frame::with_body(to.port().as_str(), message.outgoing()).with_reply(reply);
            let context = self.trace(to.port());
            return self.with_peer(to.node(), |peer| match context {
                None => peer.send(&frame),
                Some(context) => peer.send_traced(context, &frame),
            });
        }
        let mut message = message.into_message().map_err(refused)?;
        if let Some(reply) = reply {
            message
                .push(reply.to_string())
                .map_err(|error| refused(EncodeError::serialize(error.to_string())))?;
        }
        let delivered = match self.trace(to.port()) {
            None => self.shards.deliver(to.port(), message),
            Some(context) => self.shards.deliver_traced(to.port(), message, context),
        };
        delivered.map_err(|NoRoom| self.no_room(to))
    }
}

/// The trace of the code that sends a message to `port`. None for an answer: its receiver has a span of its own.
#[cold]
fn inject(propagator: &dyn Propagator, port: &PortName) -> Option<Box<TraceContext>> {
    if is_reply(port) {
        return None;
    }
    let context = guard::run(|| propagator.inject());
    context.unwrap_or_default().map(Box::new)
}
