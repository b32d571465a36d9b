//! The core of aemp: names, values, messages, ports, nodes and links.
//!
//! It knows no socket, no codec and no file. The facade crate `aemp` is what programs use.

pub mod handshake;
pub mod id;
mod text;

pub use id::{NodeId, ParseIdError, PortId, PortName};
pub use text::Text;
