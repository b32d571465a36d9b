//! `Action`: the action of a monitor.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aemp_proto::message::values_to_send;
use tokio::sync::oneshot;

use crate::codec::EncodeError;
use crate::message::{IntoMessage, Values};
use crate::{PortId, Reason};

/// The action of a monitor. It runs when the monitor fires: at most once, and never after the guard of the monitor is
/// dropped.
///
/// Created from a closure, a [`Notify`], a [`Kill`] or a [`Tell`](crate::Tell) by [`IntoAction`].
pub struct Action {
    pub(crate) kind: ActionKind,
    pub(crate) armed: Armed,
    /// The shard of the port that set the monitor, if a port did: a callback runs there, in the same queue as that port's
    /// messages.
    pub(crate) shard: Option<u32>,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Action(..)")
    }
}

pub(crate) enum ActionKind {
    /// Calls the closure, on a shard: it must not block.
    Call(Box<dyn FnOnce(Reason) + Send>),
    /// Kills the port with the same reason; after a normal end only if the flag is set.
    Kill(Box<(PortId, bool)>),
    /// Sends the message with the reason appended.
    Notify(Box<(PortId, Values)>),
    /// Sends the message that the function makes of the reason, on a shard: it must not block.
    Tell(Box<(PortId, MakeMessage)>),
    /// Resolves a future.
    Wake(oneshot::Sender<Reason>),
}

pub(crate) type MakeMessage = Box<dyn FnOnce(Reason) -> Result<Values, EncodeError> + Send>;

impl Action {
    pub(crate) fn new(kind: ActionKind) -> Self {
        Self {
            kind,
            armed: Armed(Arc::new(AtomicBool::new(true))),
            shard: None,
        }
    }

    /// Kills `port` with the same reason; after a normal end only if `always`.
    pub(crate) fn kill(port: &PortId, always: bool) -> Self {
        Self::new(ActionKind::Kill(Box::new((port.clone(), always))))
    }

    pub(crate) fn armed(&self) -> Armed {
        self.armed.clone()
    }
}

/// Whether an action may still run. Shared by the action and its guard.
#[derive(Clone)]
pub(crate) struct Armed(Arc<AtomicBool>);

impl Armed {
    /// Disarms the action. Returns true for the first call only; the action runs if it gets true, so a guard that was
    /// dropped before prevents it.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The actions of a [`monitor`](crate::LocalNode::monitor): a closure that takes the [`Reason`], [`Notify`], [`Kill`], and for a
/// typed port [`Tell`](crate::Tell).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the action of a monitor",
    label = "not an action",
    note = "an action is a closure that takes the reason, `|why: Reason| ..`, and is `Send + 'static`, or `Notify(&port, message)`, \
            `Kill(&port)`, or for a typed port `Tell(&port, |reason| message)`"
)]
pub trait IntoAction: sealed::IntoAction {}

#[diagnostic::do_not_recommend]
impl<T: sealed::IntoAction> IntoAction for T {}

pub(crate) mod sealed {
    use super::{Action, EncodeError};

    pub trait IntoAction {
        /// The action. An error if a message to be sent cannot be built.
        fn into_action(self) -> Result<Action, EncodeError>;
    }
}

#[diagnostic::do_not_recommend]
impl<F: FnOnce(Reason) + Send + 'static> sealed::IntoAction for F {
    fn into_action(self) -> Result<Action, EncodeError> {
        Ok(Action::new(ActionKind::Call(Box::new(self))))
    }
}

/// Kills a port of any node with the same reason, unless the monitored port ends normally.
///
/// ```
/// # async fn example(node: aemp::LocalNode, worker: aemp::PortId, helper: aemp::PortId) {
/// use aemp::Kill;
/// // The helper does not outlive its worker.
/// node.monitor(&worker, Kill(&helper)).detach();
/// # }
/// ```
#[doc(alias = "link")]
#[derive(Debug, Clone, Copy)]
pub struct Kill<'a>(pub &'a PortId);

impl sealed::IntoAction for Kill<'_> {
    fn into_action(self) -> Result<Action, EncodeError> {
        Ok(Action::kill(self.0, false))
    }
}

/// Sends a message to a port, with the elements of the reason appended. It is never refused by a codec: an element that
/// the connection's codec cannot carry is replaced by its diagnostic text, as in kill reasons.
///
/// ```
/// # async fn example(node: aemp::LocalNode, worker: aemp::PortId, manager: aemp::PortId) {
/// use aemp::Notify;
/// let watch = node.monitor(&worker, Notify(&manager, ("worker_died", 7)));
/// // The manager receives ["worker_died", 7, "die", "no more paper"].
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
#[doc(alias = "SendTo")]
pub struct Notify<'a, M>(pub &'a PortId, pub M);

impl<M: IntoMessage> sealed::IntoAction for Notify<'_, M> {
    fn into_action(self) -> Result<Action, EncodeError> {
        let values = values_to_send(self.1.into_message()?)?;
        Ok(Action::new(ActionKind::Notify(Box::new((
            self.0.clone(),
            values,
        )))))
    }
}
