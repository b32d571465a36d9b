//! What AEMP is, as plain data and state machines: no I/O, no task, no clock. [`aemp-core`] runs it on tokio, and
//! re-exports what programs use; programs depend on the crate `aemp`.
//!
//! [`aemp-core`]: https://docs.rs/aemp-core
//!
//! # Rooms
//!
//! From the ground up. A room uses what stands above it in this table.
//!
//! | module | holds |
//! | --- | --- |
//! | [`text`], [`id`], [`address`], [`Excerpt`] | [`Text`]; [`NodeId`], [`PortName`], [`PortId`]; [`Address`]; text from outside as logs and errors show it |
//! | [`map`] | hash maps with a random seed, since peers choose names |
//! | [`value`] | [`Value`], the data model of messages, and [`Values`], the elements of one; serde both ways, diagnostic notation (`Display`) |
//! | [`token`] | the bytes of one message, token by token: what reads and writes them, what a codec can carry |
//! | [`message`] | [`Message`], of values or of bytes as they came; what becomes a message |
//! | [`Reason`], [`guard`] | why a port died; the guard around code of the program's |
//! | [`codec`] | streams of messages: what finds them, what appends them, limits |
//! | [`ConvertError`] | why a value has no counterpart in another library's type |
//! | [`handshake`] | the opening of a connection, a machine |
//! | [`monitor`] | the table of monitors on a peer's ports, a machine |
//! | [`directory`] | the distributed directory, a machine |
//! | [`node_protocol`] | the requests that nodes send to each other, written and parsed |
//! | [`peer`] | what is held for one peer, with the promises of monitors: a machine |
//! | [`supervision`] | the plan of a supervisor, a machine |
//!
//! # Machines
//!
//! A machine is told what happens, by functions that take bytes, messages and, where time matters, the time since a
//! beginning that its user chose; and it returns what to do, or is asked for it. It never waits. The same calls give the
//! same results, so tests and fuzzers drive the machines without a network, and each machine's documentation says in which
//! order to call it:
//!
//! * [`handshake::Opening`] takes the bytes of a connection and returns bytes to be written, until it is
//!   [`Established`](handshake::Established).
//! * [`codec::Decoder`] finds messages in the bytes that follow, [`codec::encode`] writes them.
//! * [`peer::Machine`] takes what is sent and monitored, and what happens to connections; it returns bytes to be written and
//!   effects, such as monitors that fire.
//! * [`monitor::MonitorTable`] says when a peer is to be asked to watch a port, and what fires.
//! * [`directory::Machine`] takes requests, arrivals and departures of peers, and the time; outputs are polled.
//! * [`supervision::Plan`] says which child of a supervisor to start or stop next, and when.
//!
//! # What is never here
//!
//! No tokio, socket or file, no clock, no source of random numbers but the seeds of hash maps, and no state of a thread
//! but the memory that [`message::Wire`] keeps for the next message. `.ci/boundaries` in the repository checks it. Panics of
//! the program's code (`Serialize`, a [`codec::ValueFormat`]) pass through, and the user of this crate catches them; but
//! what a [`peer::Machine`] sends by itself is guarded there.
//!
//! Comments name the wire protocol's facts by section of `docs/protocol.md` in the repository.

pub mod address;
pub mod codec;
mod convert;
pub mod directory;
mod excerpt;
#[cfg(aemp_faults)]
pub mod faults;
pub mod guard;
pub mod handshake;
pub mod id;
pub mod map;
pub mod message;
pub mod monitor;
pub mod node_protocol;
pub mod peer;
mod reason;
pub mod supervision;
pub mod text;
pub mod token;
pub mod value;

pub use address::{Address, ParseAddressError};
pub use convert::ConvertError;
pub use excerpt::Excerpt;
pub use id::{NodeId, ParseIdError, PortId, PortName};
pub use message::{IntoMessage, Message};
pub use reason::{Reason, abridged, not_encoded};
pub use text::Text;
pub use value::{Integer, Map, ParseError, Value, Values};
