//! `Mismatch`: a message that does not fit a port's handlers, for ports that outlive it.

use std::fmt;

use aemp_proto::id::is_reply;

use super::Context;
use crate::allowance::log_within;
use crate::message::{Message, ParseError};
use crate::{Excerpt, PortId, Reason, reason};

/// A message that does not fit the handlers of [`Routes`](crate::Routes): none has its tag, or its arguments are of other
/// types. See [`Routes::on_mismatch`](crate::Routes::on_mismatch).
#[derive(Debug, Clone)]
pub struct Mismatch {
    pub(super) message: Message,
    pub(super) error: Option<ParseError>,
}

impl Mismatch {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// What does not fit; `None` if no handler has the message's tag.
    pub fn error(&self) -> Option<&ParseError> {
        self.error.as_ref()
    }

    /// The reason with which the port dies without [`on_mismatch`](crate::Routes::on_mismatch).
    pub fn reason(&self) -> Reason {
        match &self.error {
            Some(error) => error.clone().into(),
            None => reason!["unhandled_message", format!("{:?}", self.message)],
        }
    }

    /// Answers the message with what is wrong, if its last element is the ID of a reply port. A `call` or an `ask` of this
    /// library fails at once, with [`reason`](Self::reason) in [`CallError::Gone`](crate::CallError::Gone). Other ports are
    /// sent `["Err", TEXT]`, as by `ReplyTo<Result<_, String>>`. A message without a reply port is logged.
    pub fn answer(&self, cx: &Context<'_>) {
        match self.reply_port() {
            Some(port) if is_call(cx, &port) => cx.kill(&port, self.reason()),
            Some(port) => cx.send(&port, ("Err", self.reason().to_string())),
            None => {
                let logs = &cx.inner().network.logs.members;
                log_within!(logs, WARN, target: "aemp::port", port = %cx.id(), why = %Excerpt(self), "a message that does not fit");
            }
        }
    }

    /// The last element, if it is a port ID, and not of a node port: the text would be a request of this node.
    fn reply_port(&self) -> Option<PortId> {
        let values = self.message.to_values().ok()?;
        let port: PortId = values.last()?.as_str()?.parse().ok()?;
        (!port.port().is_node_port()).then_some(port)
    }
}

/// Whether the port is the reply port of a call of this library, as far as its name says: of this node it is known.
fn is_call(cx: &Context<'_>, port: &PortId) -> bool {
    match port.node() == cx.node_id() {
        true => cx.inner().is_call(port.port()),
        false => is_reply(port.port()),
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}
