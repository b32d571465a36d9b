//! Nodes: the trait [`Node`], and [`LocalNode`], which is this process.

mod builder;
mod call;
mod configured;
mod directory;
mod end;
mod events;
mod functions;
mod held;
mod inner;
mod late;
mod local;
#[cfg(feature = "metrics")]
mod metrics;
mod node_port;
mod peers;
mod shutdown;
mod stats;
mod tap;
mod tasks;
mod timer;

pub use builder::Builder;
pub(crate) use builder::listed;
pub use call::Call;
use directory::Driver;
pub use directory::{
    Ask, Directory, DirectoryError, DirectoryRole, FamilyWatch, Group, Lease, Members, Pick,
    Registration,
};
pub(crate) use directory::{look_at_seeds, parse_all as parse_addresses};
pub use events::{Events, NodeEvent};
pub(crate) use held::Held;
pub(crate) use inner::{Inner, room_for};
pub use local::LocalNode;
use node_port::NodePort;
pub(crate) use node_port::{Sender, handle as handle_node_port};
pub(crate) use shutdown::Ending;
pub use shutdown::Shutdown;
pub use stats::{LinkStats, NodeStats, PortStats, ShardStats, Traffic};
pub(crate) use tap::Taps;
pub use tap::{Tap, TapOptions, Tapped, TappedMessage};
pub use timer::Timer;

use crate::codec::Frame;
use crate::error::SendError;
use crate::monitor::{Action, Monitor};
use crate::{NodeId, PortName, Reason};

/// A node as those see it who send to its ports. [`LocalNode`] is one: this process.
///
/// Nothing here blocks. What is sent, killed and monitored by one thread reaches the node in that order.
pub trait Node: Send + Sync {
    /// The node's ID.
    fn id(&self) -> &NodeId;

    /// Sends a message to one of the node's ports. A port that does not exist is no error.
    ///
    /// # Errors
    /// If the message cannot be encoded for this node.
    fn send(&self, frame: &Frame<'_>) -> Result<(), SendError>;

    /// Kills one of the node's ports.
    fn kill(&self, port: &PortName, reason: Reason);

    /// Lets `then` run when the port dies or messages to it may have been lost.
    fn monitor(&self, port: &PortName, then: Action) -> Monitor;
}
