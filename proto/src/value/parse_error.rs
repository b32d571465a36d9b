//! `ParseError`: why a message does not fit a type, in words that can be sent to its sender.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::Excerpt;

/// A message does not fit a type: an element is of another type, or missing, or there are too many.
///
/// The error says which element (the tag is element 0), what was expected, and what was found. If the arguments of a
/// handler do not fit, it becomes the reason with which the port dies.
///
/// ```
/// use aemp::Message;
/// let message = Message::from_iter(["add", "one"]);
/// let error = message.parse::<(String, i64)>().unwrap_err();
/// assert_eq!(error.to_string(), r#"element 1: expected i64, found text "one""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(Box<Problem>);

/// Boxed, so that a result is no larger than its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    element: Option<usize>,
    what: Cow<'static, str>,
}

impl ParseError {
    #[cold]
    pub(crate) fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Problem {
            element: None,
            what: what.into(),
        }))
    }

    /// The same error, with the index of its element.
    #[cold]
    pub(crate) fn in_element(mut self, at: usize) -> Self {
        self.0.element = Some(at);
        self
    }

    /// The index of the element that does not fit; `None` if the message as a whole does not.
    pub fn element(&self) -> Option<usize> {
        self.0.element
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.element {
            Some(at) => write!(f, "element {at}: {}", self.0.what),
            None => f.write_str(&self.0.what),
        }
    }
}

impl std::error::Error for ParseError {}

impl de::Error for ParseError {
    fn custom<T: fmt::Display>(what: T) -> Self {
        // The error of a type may repeat what was received.
        Self::new(format!("{:.*}", LONGEST, Excerpt(what)))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {}", Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        let s = if len == 1 { "" } else { "s" };
        Self::new(format!("expected {expected}, found {len} element{s}"))
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        let known = known.join(", ");
        Self::new(format!(
            "expected one of {known}, found {}",
            Found(Unexpected::Str(name))
        ))
    }
}

/// The maximum length of an error of a user's type, in bytes.
const LONGEST: usize = 300;

/// The maximum length of a received text that an error repeats, in bytes.
const QUOTED: usize = 60;

struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(b) => write!(f, "{b}"),
            Unexpected::Unsigned(n) => write!(f, "integer {n}"),
            Unexpected::Signed(n) => write!(f, "integer {n}"),
            Unexpected::Float(x) => write!(f, "float {x:?}"),
            Unexpected::Char(c) => write!(f, "text {:?}", c.to_string()),
            Unexpected::Str(text) => {
                write!(f, "text {:.*?}", QUOTED, Excerpt(text))?;
                match text.len() > QUOTED {
                    true => write!(f, " of {} bytes", text.len()),
                    false => Ok(()),
                }
            }
            Unexpected::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Unexpected::Unit | Unexpected::Option => f.write_str("null"),
            Unexpected::Seq => f.write_str("an array"),
            Unexpected::Map => f.write_str("a map"),
            Unexpected::Enum => f.write_str("a tagged or simple value"),
            other => other.fmt(f),
        }
    }
}
