//! Streams of messages: [`encode`] appends a message to the bytes of a connection, and a [`Decoder`] finds the next
//! message, within the [`Limits`]. Codecs implement the trait `aemp_core::codec::Codec`.
//!
//! A codec handles one message at a time. The first element is the name of the receiving port ([protocol.md section 4]).
//! A codec knows neither the sender nor whether the message is allowed.
//!
//! [protocol.md section 4]: crate::protocol#4-messages

mod decoder;
mod error;
mod format;
mod frame;
mod limits;
mod refused;
mod scanner;

pub use decoder::{
    Decoder, Envelope, Found, Header, Incoming, MAX_READ, Place, Prefix, Shown, StreamDecoder,
    consume, decode, reserve,
};
pub use error::DecodeError;
pub use format::{BoxError, Head, Out, ValueFormat, write};
pub use frame::{Encoder, Frame, encode};
pub use limits::{Limits, PeerInfo};
pub use scanner::{Begins, MAX_SCAN_DEPTH, Position, Scanned, Scanner, Step, Tokenizer, is_utf8};
