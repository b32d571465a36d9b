//! `Action`: what a monitor does when it fires.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aemp_proto::message::values_to_send;
use tokio::sync::oneshot;

use crate::codec::EncodeError;
use crate::message::{IntoMessage, Values};
use crate::{PortId, Reason};

/// What a monitor does when it fires, which it does at most once and never after its guard is dropped.
///
/// Made from a closure or a [`Notify`] by [`IntoAction`].
pub struct Action {
    pub(crate) kind: ActionKind,
    pub(crate) armed: Armed,
    /// The shard of the port that set the monitor, if a port did: a callback runs there, in one queue with that port's
    /// messages.
    pub(crate) shard: Option<u32>,
}

pub(crate) enum ActionKind {
    /// Runs on a shard, so it must not block.
    Call(Box<dyn FnOnce(Reason) + Send>),
    /// Kills the port with the same reason; by an ordinary end only if the flag says so.
    Kill(Box<(PortId, bool)>),
    /// Sends the message with the reason appended.
    Notify(Box<(PortId, Values)>),
    /// Resolves a future.
    Wake(oneshot::Sender<Reason>),
}

impl Action {
    pub(crate) fn new(kind: ActionKind) -> Self {
        Self {
            kind,
            armed: Armed(Arc::new(AtomicBool::new(true))),
            shard: None,
        }
    }

    /// Kills `port` with the same reason; by an ordinary end only if `always`.
    pub(crate) fn kill(port: &PortId, always: bool) -> Self {
        Self::new(ActionKind::Kill(Box::new((port.clone(), always))))
    }

    pub(crate) fn armed(&self) -> Armed {
        self.armed.clone()
    }
}

/// Whether an action may still run: shared by the action and its guard.
#[derive(Clone)]
pub(crate) struct Armed(Arc<AtomicBool>);

impl Armed {
    /// True once, and not at all after a guard's drop called it.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What can be given to [`monitor`](crate::LocalNode::monitor).
pub trait IntoAction {
    /// Makes the action.
    ///
    /// # Errors
    /// If a message to be sent cannot be built.
    fn into_action(self) -> Result<Action, EncodeError>;
}

impl<F: FnOnce(Reason) + Send + 'static> IntoAction for F {
    fn into_action(self) -> Result<Action, EncodeError> {
        Ok(Action::new(ActionKind::Call(Box::new(self))))
    }
}

/// Sends a message to a port, with the elements of the reason appended. It always arrives as far as there is a
/// connection: an element that the connection's codec lacks is replaced by its diagnostic text, as in kill reasons.
///
/// ```
/// # async fn example(node: aemp_core::LocalNode, worker: aemp_core::PortId, manager: aemp_core::PortId) {
/// use aemp_core::Notify;
/// let watch = node.monitor(&worker, Notify(&manager, ("worker_died", 7)));
/// // The manager gets ["worker_died", 7, "die", "no more paper"].
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Notify<'a, M>(pub &'a PortId, pub M);

impl<M: IntoMessage> IntoAction for Notify<'_, M> {
    fn into_action(self) -> Result<Action, EncodeError> {
        let values = values_to_send(self.1.into_message()?)?;
        Ok(Action::new(ActionKind::Notify(Box::new((
            self.0.clone(),
            values,
        )))))
    }
}
