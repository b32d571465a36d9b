//! `Effect`: what a peer machine wants done.

use smallvec::SmallVec;

use super::{Generation, Wait};
use crate::value::EncodeError;
use crate::{PortName, Reason};

/// What a peer machine wants done, in the order in which it says so, and before the next call for this peer.
#[derive(Debug)]
pub enum Effect<A> {
    /// Run the actions of these monitors, in this order, with this reason. Each carries the port that it watched.
    Fire(Vec<(PortName, A)>, Reason),
    /// Start to connect. [`Machine::unreachable`](super::Machine::unreachable) takes the same [`Wait`] when no
    /// connection can be had.
    Connect(Wait),
    /// Wake the writer: the last [`poll_chunk`](super::Machine::poll_chunk) was pending, and there is something to
    /// write now or nothing more will come.
    Wake,
    /// Much waits for a writer that was woken and has not come: let other tasks run.
    Yield,
    /// This connection is up, and what waited for it is in its queue.
    Up(Generation),
    /// This connection has failed, and its task is to end. [`down`](super::Machine::down) is called then.
    Fail(Generation),
    /// The connection is down for all who send, for this reason.
    Down {
        /// The connection.
        generation: Generation,
        /// Why it is down.
        reason: String,
    },
    /// The peer watches these ports of ours no more: its connection is lost. In the order of their names.
    Unwatch(Generation, Vec<PortName>),
    /// No connection can be had for what waited, for this reason; it is lost.
    GaveUp(String),
    /// So many bytes that were queued are lost.
    Lost(usize),
    /// A message to this port had waited, and cannot be encoded. `None`: a message before it could not, and the port's
    /// monitors have fired.
    NotSent(PortName, Option<Box<EncodeError>>),
    /// What tasks wait for may be so now: a connection came up or went down, an opening ended, or the queue fell below
    /// the high-water mark.
    Changed,
}

/// Effects in order. Few, as a rule.
pub type Effects<A> = SmallVec<[Effect<A>; 2]>;
