//! `EncodeError`: why a message cannot be sent over a connection.

use crate::Text;

/// A message that the connection's codec cannot carry exactly. It was not sent; nothing else is disturbed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The codec cannot represent an element.
    #[error("element {path} holds {what}, and this connection speaks {codec}, which has none")]
    #[non_exhaustive]
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
    #[non_exhaustive]
    Unreadable {
        /// Where the element is, counted from the message's first: `2 at [1].payload`.
        path: String,
        /// The element, such as `the tag 25 around 0`.
        what: String,
    },
    /// The library of a `ValueFormat` failed to write an element that the format's capabilities allow.
    #[error("element {path} cannot be written in {codec}: {why}")]
    #[non_exhaustive]
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
    #[non_exhaustive]
    TooDeep {
        /// Where the limit is exceeded.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// The message is longer than peers accept.
    #[error("it takes {size} bytes, and the limit is {limit} (message_size)")]
    #[non_exhaustive]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The message holds more values than peers accept.
    #[error("it holds more than the limit of {limit} values")]
    #[non_exhaustive]
    TooManyItems {
        /// The limit.
        limit: usize,
    },
    /// The message is sent from the `Serialize` of another one, which runs under the lock of a connection.
    #[error(
        "it is sent from the Serialize of another message, which runs under the lock of a connection: send it before or \
         after that one"
    )]
    Nested,
    /// A type's own `Serialize` failed, or what it made has no form in a message: an integer beyond 64 bits, a `Some` whose
    /// content is null.
    #[error("{} cannot be serialised: {what}", whole_or_element(path))]
    #[non_exhaustive]
    Serialize {
        /// Where the element is, counted from the message's first: `2 at [1].payload`. Empty if it is not known.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

fn whole_or_element(path: &str) -> String {
    match path {
        "" => "the message".into(),
        path => format!("element {path}"),
    }
}

/// The length in bytes beyond which a path loses its middle.
const MAX_PATH: usize = 200;

impl EncodeError {
    /// The error of a type that cannot be serialized.
    #[doc(hidden)]
    pub fn serialize(what: impl Into<String>) -> Self {
        let (path, what) = (String::new(), what.into());
        Self::Serialize { path, what }
    }

    /// The error of a message of `size` bytes.
    #[doc(hidden)]
    pub fn too_large(size: usize, limit: usize) -> Self {
        Self::TooLarge { size, limit }
    }

    /// The error of a message of too many values.
    #[doc(hidden)]
    pub fn too_many_items(limit: usize) -> Self {
        Self::TooManyItems { limit }
    }

    /// The same error, which occurred in the part of an array or a map that `step` leads to.
    #[cold]
    pub(crate) fn below(mut self, step: &str) -> Self {
        if let Self::Serialize { path, .. } = &mut self {
            path.insert_str(0, step);
            if path.len() > MAX_PATH {
                let start = path.floor_char_boundary(MAX_PATH / 2);
                let end = path.ceil_char_boundary(path.len() - MAX_PATH / 3);
                path.replace_range(start..end, "...");
            }
        }
        self
    }

    /// The same error, which occurred in the message's element `at`.
    #[cold]
    pub(crate) fn in_element(mut self, at: usize) -> Self {
        match &mut self {
            Self::TooDeep { path, .. } => *path = at.to_string(),
            Self::Serialize { path, .. } if path.is_empty() => *path = at.to_string(),
            Self::Serialize { path, .. } => path.insert_str(0, &format!("{at} at ")),
            _ => {}
        }
        self
    }
}

impl serde::ser::Error for EncodeError {
    #[cold]
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        Self::serialize(what.to_string())
    }
}
