//! Streams of messages: [`encode`] appends one to the bytes of a connection, and a [`Decoder`] finds the next, within the
//! [`Limits`]. The trait that a codec implements is `aemp_core::codec::Codec`.
//!
//! A codec sees one message at a time. Which port it is for is its first element (protocol.md section 4); who
//! sent it and whether it is welcome is no business of a codec.

mod decoder;
mod error;
mod format;
mod frame;
mod limits;
mod refused;
mod scanner;

pub use decoder::{
    Decoder, Found, Front, Incoming, Place, Prefix, READ, Received, Shown, StreamDecoder, need,
    pass,
};
pub use error::DecodeError;
pub use format::{BoxError, Head, Out, ValueFormat, write};
pub use frame::{Encoder, Frame, encode};
pub use limits::{Limits, PeerInfo};
pub use scanner::{Begins, DEEPEST, Heads, Inside, Scanned, Scanner, Step, is_utf8};
