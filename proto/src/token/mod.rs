//! Messages token by token: how a codec's bytes are read ([`Token`], [`TokenReader`]) and written ([`TokenWriter`]), what a
//! codec can carry ([`Capabilities`]), and conversions between tokens and values or types.
//!
//! This room handles the bytes of one complete message. The room `codec` finds the end of a message in a stream.

mod capabilities;
mod read;
mod sink;
mod typed;
mod wire_format;
mod writer;

pub(crate) use read::Reader;

pub use capabilities::{Capabilities, Tags};
pub use read::Rest;
pub use sink::TokenWriter;
pub use wire_format::{Token, TokenReader};
pub use writer::{Emit, Refused, Writer};
