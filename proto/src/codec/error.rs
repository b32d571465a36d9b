//! `DecodeError`: why the bytes of a connection cannot be decoded.

use super::Limits;
use crate::Text;

/// Why bytes cannot be decoded: they are no message, exceed a limit, or do not have the requested type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A message is longer than [`Limits::message_size`](super::Limits::message_size).
    #[error("a message is longer than the limit of {limit} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message nests deeper than [`Limits::depth`](super::Limits::depth).
    #[error("a message nests deeper than the limit of {limit}")]
    #[non_exhaustive]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A message has more values than [`Limits::items`](super::Limits::items).
    #[error("a message holds more than the limit of {limit} values")]
    #[non_exhaustive]
    TooManyItems {
        /// The limit.
        limit: usize,
    },
    /// The first byte of a message cannot begin one in this codec.
    #[error("a message begins with byte 0x{byte:02x}, which no {codec} message does")]
    #[non_exhaustive]
    WrongFraming {
        /// The byte.
        byte: u8,
        /// The codec's name.
        codec: Text,
    },
    /// The bytes are not well-formed.
    #[error("byte {at} of a {codec} message: {what}")]
    #[non_exhaustive]
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

/// The errors of codecs that find messages themselves, without a [`Scanner`](super::Scanner).
impl DecodeError {
    /// A message exceeds [`Limits::message_size`].
    pub fn too_large(limits: &Limits) -> Self {
        let limit = limits.message_size;
        Self::TooLarge { limit }
    }

    /// A message exceeds [`Limits::depth`].
    pub fn too_deep(limits: &Limits) -> Self {
        let limit = limits.depth;
        Self::TooDeep { limit }
    }

    /// A message exceeds [`Limits::items`].
    pub fn too_many_items(limits: &Limits) -> Self {
        let limit = limits.items;
        Self::TooManyItems { limit }
    }

    /// No message of `codec` begins with `byte`.
    pub fn wrong_framing(byte: u8, codec: impl Into<Text>) -> Self {
        let codec = codec.into();
        Self::WrongFraming { byte, codec }
    }

    /// A message of `codec` is not well-formed at byte `at`, counted from its first: `what` is wrong.
    pub fn malformed(at: usize, what: impl Into<String>, codec: impl Into<Text>) -> Self {
        let (what, codec) = (what.into(), codec.into());
        Self::Malformed { at, what, codec }
    }
}
