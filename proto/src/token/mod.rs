//! Messages token by token: how a codec's bytes are read ([`Token`], [`WireFormat`]) and written ([`Sink`]), what a codec
//! can carry ([`Capabilities`]), and the ways between tokens and values or types.
//!
//! It sees the bytes of one whole message. Where a message ends in a stream is the matter of the room `codec`.

mod capabilities;
mod read;
mod serializer;
mod sink;
mod typed;
mod wire_format;
mod writer;

pub(crate) use capabilities::step;
pub(crate) use read::Reader;

pub use capabilities::{Capabilities, Tags};
pub use read::Rest;
pub use sink::Sink;
pub use wire_format::{Token, WireFormat};
pub use writer::{Emit, Refused, Writer};
