//! The state of this node for one other node, its *peer*: pending messages, the send queue of the connection, our
//! monitors on the peer's ports and the peer's watches on our ports. This module implements the promises of
//! docs/guarantee.md.
//!
//! [`Machine`] is a state machine without I/O. Its user calls it for messages, monitors and connection events, and
//! passes the time where it matters. The machine returns bytes to write ([`Machine::poll_chunk`]) and [`Effect`]s. The
//! user performs the effects in order and before the next call for this peer, so that the monitors of a lost connection
//! fire before the next connection carries a message.
//!
//! A connection goes through these calls, in this order, with other calls in between:
//!
//! 1. [`open`](Machine::open) registers an opening. [`admit`](Machine::admit) decides when it may continue, if there
//!    are several to the same node; [`close_opening`](Machine::close_opening) removes it.
//! 2. [`up`](Machine::up): the connection is authenticated and gets a [`Generation`]. Pending messages are encoded
//!    first.
//! 3. [`poll_chunk`](Machine::poll_chunk), until it returns [`Chunk::End`].
//! 4. [`close_idle`](Machine::close_idle) or [`peer_closed`](Machine::peer_closed), if the connection closes
//!    gracefully: monitors fire, the queue is drained, and new messages wait for the next connection.
//! 5. [`down`](Machine::down): the connection has ended. All state of its generation is released.
//!
//! Requests to the peer are written by [`node_protocol`](crate::node_protocol).

mod admission;
mod effect;
#[cfg(aemp_faults)]
mod injected;
mod link;
mod machine;
mod pending;
mod queue;
mod reservation;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod tests;
mod watches;

pub use admission::{Admitted, OpeningKey, Stage};
pub use effect::{Effect, Effects};
pub use link::{Connection, Generation};
pub use machine::Machine;
pub use pending::Wait;
pub use queue::{Answers, Chunk, PassError, Written};
pub use reservation::{Pool, STEP};
