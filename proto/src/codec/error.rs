//! `DecodeError`: what is wrong with the bytes of a connection.

use crate::Text;

/// Bytes that are no message, or one that breaks a limit, or values that are not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A message longer than [`Limits::message_size`](super::Limits::message_size).
    #[error("a message is longer than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message deeper than [`Limits::depth`](super::Limits::depth).
    #[error("a message nests deeper than the limit of {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A message with more values than [`Limits::items`](super::Limits::items).
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
    /// Bytes that are not well-formed.
    #[error("byte {at} of a {codec} message: {what}")]
    Malformed {
        /// Where, counted from the message's first byte.
        at: usize,
        /// What is wrong.
        what: String,
        /// The codec's name.
        codec: Text,
    },
    /// The message is well-formed and its elements are not of the wanted types.
    #[error("{0}")]
    Type(String),
}
