//! `EncodeError`: why a message cannot be sent over a connection.

use crate::Text;

/// A message that the connection's codec cannot carry exactly. It was not sent; nothing else is disturbed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The codec cannot represent an element.
    #[error("element {path} holds {what}, and this connection speaks {codec}, which has none")]
    Unfit {
        /// Where the element is, counted from the message's first: `2 at [1].payload`.
        path: String,
        /// The kind of the element, such as `bytes`.
        what: String,
        /// The codec's name.
        codec: Text,
    },
    /// The codec can represent an element, but the peer cannot read it, or reads it as another value.
    #[error("element {path} holds {what}, which the peer cannot read")]
    Unreadable {
        /// Where the element is, counted from the message's first: `2 at [1].payload`.
        path: String,
        /// The element, such as `the tag 25 around 0`.
        what: String,
    },
    /// The library of a `ValueFormat` failed to write an element that the format's capabilities allow.
    #[error("element {path} cannot be written in {codec}: {why}")]
    Refused {
        /// Where the element is, counted from the message's first: `2 at [1].payload`. The cause may be a part of it.
        path: String,
        /// The library's error.
        why: Box<str>,
        /// The codec's name.
        codec: Text,
    },
    /// Arrays, maps and tags are nested deeper than peers accept.
    #[error("element {path} nests deeper than the limit of {limit}")]
    TooDeep {
        /// Where the limit is exceeded.
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

impl serde::ser::Error for EncodeError {
    #[cold]
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        Self::Serialize(what.to_string())
    }
}
