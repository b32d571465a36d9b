//! The protocol AEMP as data types and state machines, without I/O, tasks or a clock. [`aemp-core`] runs them on tokio
//! and re-exports the types that programs use. Programs depend on the crate `aemp`.
//!
//! [`aemp-core`]: https://docs.rs/aemp-core
//!
//! # Rooms
//!
//! In order of dependency: a room uses only rooms above it in this table.
//!
//! | module | holds |
//! | --- | --- |
//! | [`text`], [`id`], [`address`], [`Excerpt`], [`Report`] | [`Text`]; [`NodeId`], [`PortName`], [`PortId`]; [`Address`]; untrusted text for logs and errors; an error and its sources as one line |
//! | [`map`] | hash maps with a random seed, since peers choose the keys |
//! | [`value`] | [`Value`], the data model of messages, and [`Values`], the elements of a message; serde in both directions, diagnostic notation (`Display`) |
//! | [`token`] | the tokens of one message: reading and writing them, and the capabilities of a codec |
//! | [`message`] | [`Message`], made of values or of received bytes; the types that can be sent |
//! | [`Reason`], [`guard`] | why a port died; catching panics in code of the program |
//! | `schema` | with the feature `schema`: messages as JSON Schema and as a table |
//! | [`codec`] | streams of messages: encoding, decoding, limits |
//! | [`ConvertError`] | why a value cannot be converted to the type of another library |
//! | [`handshake`] | the opening of a connection: a state machine |
//! | [`monitor`] | the monitors on the ports of a peer: a state machine |
//! | [`directory`] | the distributed directory: a state machine |
//! | [`node_protocol`] | writing and parsing the requests between nodes |
//! | [`peer`] | messages, connection and monitors of one peer, with the guarantee: a state machine |
//! | [`supervision`] | the plan of a supervisor: a state machine |
//!
//! # State machines
//!
//! The user of a state machine calls it with bytes, messages, events and, where time matters, the time since a start
//! that the user chooses. The machine returns what to do, or is polled for it. It never blocks. The same calls give the
//! same results, so tests and fuzzers drive the machines without a network. The documentation of each machine says in
//! which order to call it:
//!
//! * [`handshake::Opening`] takes the bytes of a connection and returns bytes to write, until the connection is
//!   [`Established`](handshake::Established).
//! * [`codec::Decoder`] finds messages in the bytes that follow, [`codec::encode`] writes messages.
//! * [`peer::Machine`] takes messages, monitors and the events of connections. It returns bytes to write and effects,
//!   such as monitors that fire.
//! * [`monitor::MonitorTable`] says when to ask a peer to watch a port, and which monitors fire.
//! * [`directory::Machine`] takes requests, connections of peers, and the time. Its outputs are polled.
//! * [`supervision::Plan`] says which child of a supervisor to start or stop next, and when.
//!
//! # What this crate does not contain
//!
//! No tokio, no sockets or files, no clock, no random numbers except the seeds of hash maps, and no thread-local state
//! except the memory that [`message::RawMessage`] reuses. `.ci/boundaries` in the repository checks this. Panics in code of
//! the program (`Serialize`, a [`codec::ValueFormat`]) propagate to the caller, which has to catch them, except for
//! messages that a [`peer::Machine`] sends by itself.
//!
//! Comments refer to facts of the wire protocol by section of protocol.md, which is the module [`protocol`].

/// Whether one of these faults of the module `faults` is chosen. Always false but in builds with `--cfg aemp_faults`.
#[doc(hidden)]
#[macro_export]
macro_rules! faulty {
    ($($fault:ident)|+) => {{
        #[cfg(aemp_faults)]
        let is_chosen = $($crate::faults::is($crate::faults::Fault::$fault))||+;
        #[cfg(not(aemp_faults))]
        let is_chosen = false;
        is_chosen
    }};
}

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
pub mod protocol;
mod reason;
mod report;
#[cfg(feature = "schema")]
pub mod schema;
pub mod supervision;
pub mod text;
pub mod token;
pub mod value;

pub use address::{Address, ParseAddressError};
pub use convert::ConvertError;
pub use excerpt::Excerpt;
pub use id::{NodeId, ParseIdError, PortId, PortName};
pub use message::{IntoMessage, Message};
pub use reason::{IntoReason, Reason, abridged, not_encoded};
pub use report::Report;
pub use text::Text;
pub use value::{Integer, Map, ParseError, Value, Values};
