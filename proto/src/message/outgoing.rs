//! `Outgoing`: the elements of a message to be encoded.

use super::{RawMessage, or_encode_error};
use crate::token::Emit;
use crate::value::{EncodeError, Value, Values};
use std::fmt;

/// The elements of a message to be encoded.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Outgoing<'a> {
    /// Dynamic values.
    Values(&'a [Value]),
    /// A Rust value that is serialized to elements, like [`to_values`](crate::value::to_values).
    Typed(&'a dyn Emit),
    /// A message in its received form.
    Wire(&'a RawMessage),
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Values(values) => f.debug_tuple("Values").field(values).finish(),
            Self::Typed(_) => f.write_str("Typed(..)"),
            Self::Wire(wire) => f.debug_tuple("Wire").field(wire).finish(),
        }
    }
}

impl Outgoing<'_> {
    /// The elements as values.
    ///
    /// # Errors
    /// If the `Serialize` of a type fails, or produces something that [`Value`] cannot represent.
    pub fn to_values(self) -> Result<Values, EncodeError> {
        match self {
            Self::Values(values) => Ok(values.into()),
            Self::Typed(typed) => typed.to_values(),
            Self::Wire(wire) => or_encode_error(wire.to_values()),
        }
    }
}
