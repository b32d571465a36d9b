//! Node events: peers that come up and go down.

use tokio::sync::broadcast;

use super::LinkInfo;
use crate::{NodeId, Reason};

/// What happened to a peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A connection is authenticated and carries messages.
    Up(LinkInfo),
    /// The connection is lost, or was closed since nobody needed it. Monitors on ports of that node have fired.
    Down {
        /// Which node.
        node: NodeId,
        /// Why, as monitors are told: `transport_error NODE TEXT`.
        reason: Reason,
    },
}

/// The events of a node from the call of [`events`](crate::LocalNode::events) on.
pub struct Events(pub(crate) broadcast::Receiver<NodeEvent>);

impl Events {
    /// The next event; `None` when the node has stopped. Who falls more than 1024 events behind misses the oldest.
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
