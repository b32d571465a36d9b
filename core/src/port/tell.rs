//! `Tell`: the monitor's action that makes a typed message from the reason.

use aemp_proto::message::values_to_send;
use std::fmt;

use super::PortRef;
use crate::Reason;
use crate::codec::EncodeError;
use crate::message::IntoMessage;
use crate::monitor::{Action, ActionKind, sealed};

/// Tells a typed port that a monitor has fired: with the message that the function makes of the [`Reason`].
///
/// The function runs on a shard of the node, so it must not block. As with [`Notify`](crate::Notify), no codec refuses
/// the message: an element that the connection's codec cannot carry is replaced by its diagnostic text.
///
/// ```
/// # async fn example(node: aemp::LocalNode, worker: aemp::PortId) {
/// use aemp::{PortId, PortRef, Reason, Tell};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// enum Job { Lost { worker: PortId, reason: Reason } }
///
/// let manager: PortRef<Job> = node.typed_port(|_, Job::Lost { worker, reason }| {
///     match reason.is_transport_error() {
///         true => println!("{worker} may have missed messages: {reason}"),
///         false => println!("{worker} is gone: {reason}"),
///     }
/// });
/// let lost = worker.clone();
/// let watch = node.monitor(&worker, Tell(&manager, |reason| Job::Lost { worker: lost, reason }));
/// # }
/// ```
pub struct Tell<'a, M, F: FnOnce(Reason) -> M>(pub &'a PortRef<M>, pub F);

impl<M, F: FnOnce(Reason) -> M> fmt::Debug for Tell<'_, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tell").field(self.0).finish_non_exhaustive()
    }
}

impl<M, F> sealed::IntoAction for Tell<'_, M, F>
where
    M: IntoMessage,
    F: FnOnce(Reason) -> M + Send + 'static,
{
    fn into_action(self) -> Result<Action, EncodeError> {
        let Self(port, make) = self;
        let make = move |reason| values_to_send(make(reason).into_message()?);
        let tell = (port.id().clone(), Box::new(make) as _);
        Ok(Action::new(ActionKind::Tell(Box::new(tell))))
    }
}
