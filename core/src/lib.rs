//! The core of aemp: names, values, messages, ports, nodes and links.
//!
//! It knows no socket, no codec and no file. The facade crate `aemp` is what programs use.

pub mod codec;
pub mod handshake;
pub mod id;
pub mod message;
mod text;
pub mod value;

pub use id::{NodeId, ParseIdError, PortId, PortName};
pub use message::{IntoMessage, Message, ParseError, Values};
pub use text::Text;
pub use value::{Integer, Map, Value};
