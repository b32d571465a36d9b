//! `NodeEvent`: peers that come up and go down.

use tokio::sync::broadcast::{self, error::RecvError};

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
    /// So many events are missing here: the reader was more than 1024 events behind, and these were the oldest. What is up
    /// now, [`connections`](crate::LocalNode::connections) tells.
    Missed(u64),
}

/// The events of a node since the call of [`events`](crate::LocalNode::events).
#[derive(Debug)]
#[must_use = "events are lost when nobody receives them"]
#[doc(alias = "Events")]
pub struct NodeEvents(pub(crate) broadcast::Receiver<NodeEvent>);

impl NodeEvents {
    /// The next event; `None` when the node has stopped. A reader that is more than 1024 events behind misses the oldest, and
    /// gets [`NodeEvent::Missed`] in their place.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) {
    /// use aemp::NodeEvent;
    /// let mut events = node.events();
    /// while let Some(event) = events.recv().await {
    ///     match event {
    ///         NodeEvent::Up(connection) => println!("{} is up", connection.peer()),
    ///         NodeEvent::Down { node, reason, .. } => println!("{node} is down: {reason}"),
    ///         NodeEvent::Missed(_) => println!("up are {:?}", node.connections()),
    ///         _ => {}
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future loses no event.
    pub async fn recv(&mut self) -> Option<NodeEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(NodeEvent::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}
