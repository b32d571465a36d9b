//! The core of aemp: names, values, messages, ports, nodes and links. It knows no socket, no codec and no file; the
//! facade crate `aemp` adds those and is what programs use.
//!
//! * A node of this process is a [`LocalNode`], made by a [`Builder`]; what it can be told is its [`Config`].
//! * A port is anything that implements [`Port`]: a closure, [`routes`], a type, or an [`Inbox`]. While it handles a
//!   message it has a [`Context`]. Its address is a [`PortId`].
//! * A [`Message`] is a list of [`Value`]s, or whatever serialises to one.
//! * A [`Monitor`] tells of a port's death with a [`Reason`].
//! * Who adds a codec begins at [`codec::Codec`], who adds a transport at [`transport::Transport`]. The opening of a
//!   connection is a state machine of its own, [`handshake`].
//!
//! Comments name the wire protocol's facts by section of `docs/protocol.md` in the repository.

mod address;
mod allowance;
mod budget;
pub mod codec;
mod config;
mod deadline;
mod directory;
mod entropy;
mod error;
mod excerpt;
#[cfg(aemp_faults)]
pub mod faults;
mod guard;
pub mod handshake;
pub mod id;
mod link;
mod map;
pub mod message;
mod monitor;
mod node;
mod peer;
mod port;
pub mod profile;
mod ration;
mod reason;
mod runtime;
mod shard;
mod supervisor;
mod text;
pub mod transport;
pub mod value;
mod watchdog;

pub use address::{Address, ParseAddressError};
pub use allowance::LogAllowance;
pub use config::Config;
pub use directory::{Change, DirectoryLimits};
pub use error::{CallError, Error, JoinError, Result, SendError, StartError};
pub use excerpt::Excerpt;
pub use id::{NodeId, ParseIdError, PortId, PortName};
pub use link::{LinkInfo, SeedInfo, SeedState};
pub use message::{IntoMessage, Message, ParseError, Values};
pub use monitor::{Action, IntoAction, Monitor, Notify};
pub use node::{
    Ask, Builder, Call, Directory, DirectoryError, DirectoryRole, Events, FamilyWatch, Group,
    Lease, LinkStats, LocalNode, Members, Node, NodeEvent, NodeStats, Pick, PortStats,
    Registration, ShardStats, Shutdown, Tap, TapOptions, Tapped, TappedMessage, Timer, Traffic,
};
pub use port::{Context, Inbox, InboxBounds, Outcome, Port, Routes, routes};
pub use reason::Reason;
pub use supervisor::{IntoChild, Supervision, Supervisor};
pub use text::Text;
pub use value::{Integer, Map, Value};
