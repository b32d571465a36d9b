//! What can be wrong with a message on its way to bytes or back.

use crate::Text;

/// A message that the connection's codec cannot carry exactly. It was not sent; nothing else is disturbed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The codec has no form for an element.
    #[error("element {path} holds {what}, and this connection speaks {codec}, which has none")]
    Unfit {
        /// Where the element is, counted from the message's first: `2 at [1].payload`.
        path: String,
        /// What is there, such as `bytes`.
        what: String,
        /// The codec's name.
        codec: Text,
    },
    /// The codec has a form for an element, but the peer cannot read it, or reads it as something else.
    #[error("element {path} holds {what}, which the peer cannot read")]
    Unreadable {
        /// Where the element is, counted from the message's first: `2 at [1].payload`.
        path: String,
        /// What is there, such as `the tag 25 around 0`.
        what: String,
    },
    /// The library of a [`ValueFormat`](super::ValueFormat) does not write an element that its capabilities allow.
    #[error("element {path} cannot be written in {codec}: {why}")]
    Refused {
        /// Where the element is, counted from the message's first: `2 at [1].payload`. It may be somewhere in there.
        path: String,
        /// What the library says.
        why: Box<str>,
        /// The codec's name.
        codec: Text,
    },
    /// Arrays, maps and tags nest deeper than peers accept.
    #[error("element {path} nests deeper than the limit of {limit}")]
    TooDeep {
        /// Where the limit is passed.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// The message is longer than peers accept.
    #[error("it takes {size} bytes, and the limit is {limit} (message_size)")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The message holds more values than peers accept.
    #[error("it holds more than the limit of {limit} values")]
    TooManyItems {
        /// The limit.
        limit: usize,
    },
    /// A type's own `Serialize` failed.
    #[error("the message cannot be serialised: {0}")]
    Serialize(String),
}

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
