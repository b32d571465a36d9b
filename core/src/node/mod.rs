//! Nodes: the trait [`Node`], and [`LocalNode`], which is this process.

mod advertised;
mod builder;
mod call;
mod checked;
mod configured;
mod directory;
mod end;
mod functions;
mod gone;
mod host;
mod inner;
mod local;
#[cfg(feature = "metrics")]
mod metrics;
mod names;
mod node_port;
mod observing;
mod permit;
mod ready;
mod rejected;
mod seeds;
mod sender;
mod sending;
mod stats;
mod timer;
mod typed;

pub use builder::NodeBuilder;
pub use call::Call;
use directory::Driver;
pub use directory::{
    Directory, DirectoryRole, Group, Lease, Members, Pick, Query, Registration, Watch,
};
pub use gone::Gone;
pub(crate) use inner::{Inner, TAP_VIEWERS};
pub use local::LocalNode;
use node_port::NodePort;
pub use stats::NodeStats;
pub use timer::TimerGuard;

use crate::codec::Frame;
use crate::error::SendError;
use crate::monitor::{Action, Monitor};
use crate::{NodeId, PortName, Reason};

/// A node, as seen by senders to its ports. [`LocalNode`], the node of this process, is one.
///
/// No method blocks. The sends, kills and monitors of one thread reach the node in the order of the calls.
pub trait Node: Send + Sync {
    /// The node's ID.
    fn id(&self) -> &NodeId;

    /// Sends a message to one of the node's ports. It is no error if the port does not exist.
    ///
    /// # Errors
    /// If the message cannot be encoded for this node.
    fn send(&self, frame: &Frame<'_>) -> Result<(), SendError>;

    /// Kills one of the node's ports.
    fn kill(&self, port: &PortName, reason: Reason);

    /// Runs `then` when the port dies or messages to it may have been lost.
    fn monitor(&self, port: &PortName, then: Action) -> Monitor;
}
