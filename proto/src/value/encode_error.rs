//! `EncodeError`: why a message cannot be sent over a connection.

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
    /// The library of a `ValueFormat` does not write an element that its capabilities allow.
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
