//! The core of aemp: ports, nodes and links, which run the protocol on tokio. It knows no socket, no codec and no file;
//! the facade crate `aemp` adds those and is what programs use.
//!
//! * A node of this process is a [`LocalNode`], created by a [`NodeBuilder`]; its settings are its [`Config`].
//! * A port is anything that implements [`Port`]: a closure, [`routes`], a type, or an [`Inbox`]. While it handles a
//!   message it has a [`Context`]. Its address is a [`PortId`].
//! * A [`Message`] is a list of [`Value`]s, or any value that serializes to one.
//! * A [`Monitor`] reports a port's death with a [`Reason`].
//! * To add a codec, implement [`codec::Codec`]; to add a transport, implement [`transport::Transport`]. The opening of a
//!   connection is a separate state machine, [`handshake`]. To encrypt connections, [`transport::Secure`].
//!
//! The crate `aemp-proto` is the protocol without I/O: names, values, messages, the encoding and decoding of tokens,
//! and the state machines. This crate re-exports the parts that programs and codecs use.
//!
//! Comments refer to the wire protocol by sections of protocol.md, which is the module [`protocol`].

mod allowance;
mod budget;
pub mod codec;
mod config;
mod deadline;
mod entropy;
mod error;
mod guard;
mod inspection;
mod lifecycle;
mod link;
mod monitor;
mod nearest;
mod node;
mod peer;
pub mod policy;
mod port;
mod rate_limiter;
mod runtime;
pub mod settings;
mod shard;
mod supervisor;
mod traffic;
pub mod transport;
mod watchdog;

pub use allowance::LogAllowance;
pub use config::Config;
pub use error::{
    CallError, ChildError, ConnectError, DirectoryError, Error, NameError, Result, SeedError,
    SendError, StartError, Stopped,
};
pub use inspection::{Inspection, TapLimits};
pub use lifecycle::{ShutdownReport, Undelivered};
pub use link::{SeedInfo, SeedState};
pub use monitor::{IntoAction, Kill, Monitor, Notify};
#[doc(hidden)]
pub use nearest::nearest;
pub use node::{
    Call, Directory, DirectoryRole, Gone, Group, Lease, LocalNode, Members, Node, NodeBuilder,
    NodeStats, Pick, TimerGuard,
};
pub use port::{
    Arguments, Context, Handler, Inbox, InboxConfig, Mismatch, Outcome, Overflow, Port, PortRef,
    ReplyTo, Routes, SendFrom, Tell, ToPort, TypedFn, TypedPort, Unhandled, routes, typed,
};
pub use shard::{PortStats, ShardStats};
pub use supervisor::{IntoChild, Supervision, Supervisor};
pub use traffic::{
    ConnectionInfo, ConnectionStats, Direction, NodeEvent, NodeEvents, Tap, TapConfig, Tapped,
    TappedMessage, Traffic,
};

#[doc(inline)]
pub use aemp_proto::supervision::Restart;
#[doc(inline)]
pub use aemp_proto::{
    Address, ConvertError, Excerpt, IntoReason, ParseAddressError, Reason, Report, Text, reason,
};
#[doc(no_inline)]
pub use id::{NodeId, ParseIdError, PortId, PortName};
#[doc(no_inline)]
pub use message::{IntoMessage, Message, ParseError, Values};
#[doc(no_inline)]
pub use value::{Integer, Map, Value};

/// Deliberate faults, with which the simulation is tested: it has to find them.
#[cfg(aemp_faults)]
pub mod faults {
    #[doc(inline)]
    pub use aemp_proto::faults::{Fault, choose};
}

#[doc(hidden)]
pub use aemp_proto::faulty;

/// What the [`Directory`] returns: the answer to a query, the content of a family and its changes, the guard of an entry;
/// and its limits.
pub mod directory {
    pub use crate::node::{Query, Registration, Watch};
    #[doc(inline)]
    pub use aemp_proto::directory::{Change, DirectoryLimits};
}

/// The opening of a connection as a state machine ([protocol.md section 2]). Its first state is
/// [`Opening`](handshake::Opening). The states and their order are in the documentation of `aemp_proto::handshake`.
///
/// [protocol.md section 2]: crate::protocol#2-opening-a-connection
pub mod handshake {
    #[doc(inline)]
    pub use aemp_proto::handshake::{
        AuthMethod, AwaitAuth, AwaitGreeting, AwaitTls, Awaiting, Established, Greeted,
        HandshakeError, Line, MAX_LINE, Nonce, Opening, ParseAuthMethodError, Peer, Progress,
        Ready, Role, Secret, SecretError, Settings, Stage, Tls, TlsRole, Verified, rivals,
    };
}

/// Names on the network: [`NodeId`], [`PortName`], and [`PortId`], both joined by `#` ([protocol.md section 1]).
///
/// [protocol.md section 1]: crate::protocol#1-names
pub mod id {
    #[doc(inline)]
    pub use aemp_proto::id::{NodeId, ParseIdError, PortId, PortName};
}

/// [`Message`]: the content of one `send`: a list of elements. By convention the first element is a text, the tag
/// ([protocol.md section 4]).
///
/// [protocol.md section 4]: crate::protocol#4-messages
pub mod message {
    #[doc(inline)]
    pub use aemp_proto::message::{IntoMessage, Message, RawMessage};
    #[doc(inline)]
    pub use aemp_proto::value::{IntoIter, ParseError, Spread, Values, to_values};
}

/// The messages of a type as JSON Schema and as a table, for people who write the other side in another language.
#[cfg(feature = "schema")]
pub mod schema {
    #[doc(inline)]
    pub use aemp_proto::schema::{message_schema, message_table, schemars};
}

#[doc(inline)]
pub use aemp_proto::protocol;

/// Traces across nodes: the [`Propagator`](trace::Propagator) of a node, and the context that goes along with a message.
pub mod trace {
    pub use crate::traffic::Propagator;
    #[doc(inline)]
    pub use aemp_proto::node_protocol::TraceContext;
}

/// [`Value`]: the dynamic data model of messages: all of CBOR (RFC 8949). JSON covers a part of it; a value that JSON
/// cannot carry exactly is refused when a message is encoded, and never changed.
pub mod value {
    #[doc(inline)]
    pub use aemp_proto::value::{
        Integer, IntegerRangeError, Map, Value, from_value, perl_float, to_value,
    };
}
