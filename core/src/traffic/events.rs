//! `NodeEvent`: peers that come up and go down.

use tokio::sync::broadcast;

use super::ConnectionInfo;
use crate::error::ConnectError;
use crate::{NodeId, Reason};

/// An event of a peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A connection is authenticated and carries messages.
    Up(ConnectionInfo),
    /// The connection is lost, or was closed because it was idle. Monitors on ports of that node have fired.
    #[non_exhaustive]
    Down {
        /// The node.
        node: NodeId,
        /// The reason, as monitors receive it: `transport_error NODE TEXT`.
        reason: Reason,
    },
    /// No connection was made to a node to which something was sent. The messages that waited for it are lost, and
    /// monitors on ports of that node have fired.
    #[non_exhaustive]
    Unreachable {
        /// The node.
        node: NodeId,
        /// Why not. [`ConnectError`] has an example.
        error: ConnectError,
    },
}

/// The events of a node since the call of [`events`](crate::LocalNode::events).
#[derive(Debug)]
#[must_use = "events are lost when nobody receives them"]
#[doc(alias = "Events")]
pub struct NodeEvents(pub(crate) broadcast::Receiver<NodeEvent>);

impl NodeEvents {
    /// The next event; `None` when the node has stopped. A reader that is more than 1024 events behind misses the oldest.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event.
    pub async fn recv(&mut self) -> Option<NodeEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(target: "aemp::node", missed, "a listener fell behind and misses node events");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
