//! `DecodeError`: why the bytes of a connection cannot be decoded.

use crate::Text;

/// Why bytes cannot be decoded: they are no message, exceed a limit, or do not have the requested type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A message is longer than [`Limits::message_size`](super::Limits::message_size).
    #[error("a message is longer than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message nests deeper than [`Limits::depth`](super::Limits::depth).
    #[error("a message nests deeper than the limit of {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A message has more values than [`Limits::items`](super::Limits::items).
    #[error("a message holds more than the limit of {limit} values")]
    TooManyItems {
        /// The limit.
        limit: usize,
    },
    /// The first byte of a message cannot begin one in this codec.
    #[error("a message begins with byte 0x{byte:02x}, which no {codec} message does")]
    WrongFraming {
        /// The byte.
        byte: u8,
        /// The codec's name.
        codec: Text,
    },
    /// The bytes are not well-formed.
    #[error("byte {at} of a {codec} message: {what}")]
    Malformed {
        /// The position, counted from the first byte of the message.
        at: usize,
        /// What is wrong.
        what: String,
        /// The codec's name.
        codec: Text,
    },
    /// The message is well-formed, but its elements do not have the requested types.
    #[error("{0}")]
    Type(String),
}
