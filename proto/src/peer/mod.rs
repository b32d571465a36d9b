//! What this node holds for one other node, its *peer*: messages that wait for a connection, the queue of the
//! connection that is up, monitors on the peer's ports and the peer's on ours. The promises of docs/guarantee.md are
//! kept here.
//!
//! [`Machine`] is a state machine without I/O. It is told what is sent and monitored, what happens to connections, and
//! the time where time matters. It answers with bytes to be written ([`Machine::poll_chunk`]) and with [`Effect`]s, to be
//! performed in order and before the next call for this peer: the monitors of a lost connection fire before the next
//! connection carries a message.
//!
//! A connection passes through these calls, with any others in between:
//!
//! 1. [`open`](Machine::open): an opening takes part in the choice between connections to the same node;
//!    [`admit`](Machine::admit) says when it may go on, and [`close_opening`](Machine::close_opening) ends its part.
//! 2. [`up`](Machine::up): it is authenticated, and gets a [`Generation`]. What waited is encoded first.
//! 3. [`poll_chunk`](Machine::poll_chunk), until it says [`Chunk::End`].
//! 4. [`close_idle`](Machine::close_idle) or [`peer_closed`](Machine::peer_closed), if it ends in order: monitors fire,
//!    what is queued goes out, and what is sent from then on waits for the next connection.
//! 5. [`down`](Machine::down): it has ended. All that belonged to its generation is settled.
//!
//! Requests to the peer are written as [`node_protocol`](crate::node_protocol) says.

mod admission;
#[cfg(aemp_faults)]
mod broken;
mod effect;
mod link;
mod machine;
mod outgoing;
mod share;
#[cfg(test)]
mod tests;
mod waiting;
mod watched;

pub use admission::{Admitted, OpeningKey, Stage};
pub use effect::{Effect, Effects};
pub use link::{Connection, Generation};
pub use machine::Machine;
pub use outgoing::{Answers, Chunk, PassError, Written};
pub use share::{Pool, STEP};
pub use waiting::Wait;
