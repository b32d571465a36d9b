//! Erlang-style messaging for Rust: processes connect to each other, and send messages to cheap addresses inside each other,
//! wherever those are. Transports and codecs plug in, and on the wire it is AEMP, the protocol of Perl's AnyEvent::MP: any
//! program that writes JSON to a socket can take part.
//!
//! ```text
//!    process                                        process
//!   ┌─ node "server" ────────────────┐             ┌─ node "client" ────────────────┐
//!   │  port "server#counter" ◄───────┼── message ──┼── send, call, tell, ask        │
//!   │  port "server#q7f2"            │             │                                │
//!   │        dies ───────────────────┼── reason ───┼─► monitor: dies, or is lost    │
//!   └────────────────────────────────┘             └────────────────────────────────┘
//! ```
//!
//! * A **node** is a process in a network, a [`LocalNode`] here. [`node()`] makes one.
//! * A **port** is a destination of messages in a node: what Erlang calls a process, and actix, kameo and ractor an actor. It
//!   costs 150 bytes. Its [`PortId`] can be sent in messages. Sending never blocks.
//! * A **monitor** tells when a port has died, or when messages to it may have been lost: nothing is lost in silence.
//!
//! ```
//! use std::time::Duration;
//! use aemp::{PortId, routes};
//!
//! const SECRET: &str = "correct horse battery staple";
//!
//! # #[cfg(all(feature = "tcp", any(feature = "json", feature = "cbor")))]
//! #[tokio::main]
//! async fn main() -> aemp::Result<()> {
//!     let server = aemp::node().id("server").secret(SECRET).bind("127.0.0.1:0").start().await?;
//!     let mut total = 0;
//!     let counter = server.port_of(routes().on("add", move |cx, (n, reply): (i64, PortId)| {
//!         total += n;
//!         cx.send(&reply, ("total", total));
//!     }));
//!
//!     let seed = server.addresses()[0].to_string();
//!     let client = aemp::node().id("client").secret(SECRET).seed(seed).start().await?;
//!     let (_, total): (String, i64) = client.call(&counter, ("add", 41)).within(Duration::from_secs(5)).await?;
//!     assert_eq!(total, 41);
//!     Ok(())
//! }
//! # #[cfg(not(all(feature = "tcp", any(feature = "json", feature = "cbor"))))]
//! # fn main() {}
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! | --- | --- |
//! | learn it, one program after the other | the [`guide`] |
//! | start a node, with a secret, addresses and seeds | [`node()`], [`NodeBuilder`], [`Config`] |
//! | write a port: a closure, handlers by tag, a type, or one that is awaited | [`LocalNode::port`], [`routes`], [`Port`], [`Inbox`]; [`Context`] is what a handler has |
//! | send a program's own types, checked by the compiler | [`LocalNode::typed_port`], [`PortRef`], [`ReplyTo`], [`TypedPort`] |
//! | know what goes over the wire | [`protocol`] |
//! | know what a type becomes on the wire | [`message::to_values`], the feature `schema` |
//! | call and be answered | [`LocalNode::call`], [`LocalNode::ask`], [`Routes::answer`], [`CallError`] |
//! | learn of a death, and start again what died | [`LocalNode::monitor`], [`Reason`], [`Supervision`] |
//! | find ports by group, share values among nodes | [`LocalNode::group`], [`LocalNode::directory`] |
//! | say what peers may do | [`policy`] |
//! | follow a call and what it causes across nodes, with OpenTelemetry | [`trace`]; the crate `aemp_opentelemetry` |
//! | see what goes on | [`LocalNode::stats`], [`LocalNode::events`], [`LocalNode::tap`]; the crate `aemp_cli` is the command |
//! | write a codec or a transport | [`codec::Codec`], [`codec::ValueCodec`], [`transport::Transport`] |
//!
//! The library logs by `tracing`; without a subscriber nothing is shown. `tracing_subscriber::fmt::init()` in `main` is enough.
//!
//! # Features
//!
//! | feature | on by default | what it adds to [`node()`] |
//! | --- | --- | --- |
//! | `tcp` | yes | the TCP transport |
//! | `json` | yes | the codec `json`, which peers in other languages speak |
//! | `cbor` | yes | the codec `cbor` for rich values, preferred to `json` where both ends have it |
//! | `profile` | yes | the configuration file, for [`NodeBuilder::profile`] and [`NodeBuilder::value`]; the module `profile` |
//! | `tls` | no | TLS where the node has a [`certificate`](NodeBuilder::certificate), by rustls |
//! | `ciborium` | no | nothing, but conversions between [`Value`] and `ciborium::Value` beside `to_json` and `from_json` |
//! | `schema` | no | the messages of a type as JSON Schema and as a table; the module `schema` |
//! | `metrics` | no | statistics for whatever recorder of the `metrics` facade the program has |

#[cfg(any(
    all(doc, not(doctest)),
    all(
        doctest,
        feature = "tcp",
        feature = "json",
        feature = "cbor",
        feature = "profile"
    )
))]
pub mod guide;

#[doc(inline)]
pub use aemp_core::{
    Address, Call, CallError, Config, ConnectError, Context, Error, Gone, Inbox, InboxConfig,
    Inspection, Integer, Kill, LocalNode, Map, Message, Mismatch, Monitor, Node, NodeBuilder,
    NodeEvent, NodeEvents, NodeId, Notify, Overflow, Port, PortId, PortName, PortRef, Reason,
    ReplyTo, Restart, Result, Routes, SendError, ShutdownReport, StartError, Supervision,
    Supervisor, Tell, Text, TimerGuard, TypedPort, Unhandled, Value, Values, reason, routes, typed,
};
#[doc(inline)]
pub use aemp_core::{codec, handshake, policy, protocol, settings, trace, transport};

#[cfg(feature = "cbor")]
#[doc(inline)]
pub use aemp_codec_cbor::{Cbor, notation};
#[cfg(feature = "json")]
#[doc(inline)]
pub use aemp_codec_json::Json;
#[cfg(feature = "schema")]
#[doc(inline)]
pub use aemp_core::schema;
#[cfg(feature = "profile")]
#[doc(inline)]
pub use aemp_profile as profile;
#[cfg(feature = "tls")]
#[doc(inline)]
pub use aemp_tls::Tls;
#[cfg(feature = "tcp")]
#[doc(inline)]
pub use aemp_transport_tcp::Tcp;

/// Values to and from those of other libraries, exactly or with an error.
pub mod convert {
    #[cfg(feature = "ciborium")]
    #[doc(inline)]
    pub use aemp_codec_cbor::{from_ciborium, to_ciborium};
    #[cfg(feature = "json")]
    #[doc(inline)]
    pub use aemp_codec_json::{from_json, to_json};
    #[doc(inline)]
    pub use aemp_core::ConvertError;
}

/// The [`Directory`](directory::Directory) that all nodes of a network share, and groups of ports in it.
pub mod directory {
    #[doc(inline)]
    pub use aemp_core::directory::*;
    #[doc(inline)]
    pub use aemp_core::{Directory, DirectoryError, DirectoryRole, Group, Lease, Members, Pick};
}

/// Errors beside those at the root, and [`Report`](error::Report), which shows an error and its sources as one line.
pub mod error {
    #[doc(inline)]
    pub use aemp_core::{
        ChildError, NameError, ParseAddressError, ParseError, ParseIdError, Report, SeedError,
        Stopped,
    };
}

/// What a program needs that logs what peers have written: text that is safe to show, and a limit on the lines.
pub mod logs {
    #[doc(inline)]
    pub use aemp_core::{Excerpt, LogAllowance};
}

/// The parts of a [`Message`]: what a type becomes ([`to_values`](message::to_values)), and messages as they came.
pub mod message {
    #[doc(inline)]
    pub use aemp_core::message::{IntoIter, RawMessage, Spread, to_values};
}

/// What a node tells of itself and its connections, from [`LocalNode::stats`], [`connections`](LocalNode::connections),
/// [`ports`](LocalNode::ports) and [`seeds`](LocalNode::seeds).
pub mod stats {
    #[doc(inline)]
    pub use aemp_core::{
        ConnectionInfo, ConnectionStats, NodeStats, PortStats, SeedInfo, SeedState, ShardStats,
        Traffic, Undelivered,
    };
}

/// Following the messages that cross a node's connections, by [`LocalNode::tap`]; what others may follow of it.
pub mod tap {
    #[doc(inline)]
    pub use aemp_core::{Direction, Tap, TapConfig, TapLimits, Tapped, TappedMessage};
}

/// Certificates: what [`Tls`] refuses, and the versions that it speaks.
#[cfg(feature = "tls")]
pub mod tls {
    #[doc(inline)]
    pub use aemp_tls::{PemError, Refusal, Version};
}

/// The traits of arguments. Programs rarely name them, and most cannot be implemented outside of this library.
pub mod traits {
    #[doc(inline)]
    pub use aemp_core::{
        Arguments, Handler, IntoAction, IntoChild, IntoMessage, IntoReason, Outcome, SendFrom,
        ToPort, TypedFn,
    };
}

/// Values beside [`Value`], [`Map`] and [`Integer`]: from types and to types.
pub mod value {
    #[doc(inline)]
    pub use aemp_core::value::{IntegerRangeError, from_value, perl_float, to_value};
}

/// Deliberate faults, with which the simulation is tested.
#[cfg(aemp_faults)]
pub use aemp_core::faults;
#[doc(hidden)]
pub use aemp_core::{faulty, nearest};

/// A builder of a node with every transport and codec that a feature has enabled, CBOR before JSON, and the
/// configuration file that AnyEvent::MP has, too: `aemp::node().profile("seed")`.
///
/// ```no_run
/// # async fn example() -> aemp::Result<()> {
/// let node = aemp::node().id("worker").secret("correct horse battery staple").bind("*:4040").start().await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "configure")]
pub fn node() -> NodeBuilder {
    let builder = LocalNode::builder();
    #[cfg(feature = "cbor")]
    let builder = builder.codec(Cbor);
    #[cfg(feature = "json")]
    let builder = builder.codec(Json);
    #[cfg(feature = "tcp")]
    let builder = builder.transport(Tcp::new());
    #[cfg(feature = "profile")]
    let builder = builder.profiles(profile::UsualFile);
    #[cfg(feature = "tls")]
    let builder = builder.tls_loader(Tls::from_pem);
    builder
}
