//! The core of aemp: names, values, messages, ports, nodes and links.
//!
//! It knows no socket, no codec and no file. The facade crate `aemp` is what programs use.

mod address;
pub mod codec;
mod config;
mod entropy;
mod error;
pub mod handshake;
pub mod id;
mod link;
mod map;
pub mod message;
mod monitor;
pub mod node;
mod peer;
mod port;
mod reason;
mod shard;
mod text;
pub mod transport;
pub mod value;

pub use address::{Address, ParseAddressError};
pub use config::Config;
pub use error::{CallError, Error, JoinError, Result, SendError, StartError};
pub use id::{NodeId, ParseIdError, PortId, PortName};
pub use link::LinkInfo;
pub use message::{IntoMessage, Message, ParseError, Values};
pub use monitor::{Action, IntoAction, Monitor, Notify};
pub use node::{Builder, LocalNode, NodeEvent};
pub use port::{Context, Inbox, Outcome, Port, Routes, routes};
pub use reason::Reason;
pub use text::Text;
pub use value::{Integer, Map, Value};
