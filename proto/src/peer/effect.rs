//! `Effect`: what the user of a peer machine has to do.

use smallvec::SmallVec;

use super::{Generation, Wait};
use crate::value::EncodeError;
use crate::{PortName, Reason};

/// What the user of a [`Machine`](super::Machine) has to do, in order and before the next call for this peer.
#[derive(Debug)]
pub enum Effect<A> {
    /// Run the actions of these monitors in this order, with this reason. Each comes with the monitored port.
    Fire(Vec<(PortName, A)>, Reason),
    /// Start to connect. If no connection can be made, call [`Machine::unreachable`](super::Machine::unreachable) with
    /// the same [`Wait`].
    Connect(Wait),
    /// Wake the writer: its last [`poll_chunk`](super::Machine::poll_chunk) was pending, and now there are bytes to
    /// write, or the queue is closed.
    Wake,
    /// Yield to the runtime: many bytes wait for a writer that was woken and has not run yet.
    Yield,
    /// This connection is up, and the pending messages are in its queue.
    Up(Generation),
    /// This connection has failed. End its task, which calls [`down`](super::Machine::down).
    Fail(Generation),
    /// The connection no longer takes messages, for this reason.
    Down {
        /// The connection.
        generation: Generation,
        /// Why the connection is down.
        reason: String,
    },
    /// The connection is lost, and with it the peer's watches on these ports of ours. In the order of their names.
    Unwatch(Generation, Vec<PortName>),
    /// No connection could be made, for this reason. The pending messages are dropped.
    GaveUp(String),
    /// The number of queued bytes that are lost.
    Lost(usize),
    /// A pending message to this port could not be encoded, with the error. `None`: the message is dropped because an
    /// earlier message to the same port could not be encoded, and the monitors on the port have fired.
    NotSent(PortName, Option<Box<EncodeError>>),
    /// The number of dropped pending messages that are not reported as [`NotSent`](Self::NotSent).
    MoreNotSent(usize),
    /// Wake the tasks that wait for a change of state: a connection came up or went down, an opening ended, or the
    /// queue fell below the high-water mark.
    Changed,
}

/// Effects in order. Most calls return none or one.
pub type Effects<A> = SmallVec<[Effect<A>; 2]>;
