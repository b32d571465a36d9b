//! `Outgoing`: the elements of a message to be encoded.

use super::{RawMessage, or_encode_error};
use crate::token::Emit;
use crate::value::{EncodeError, Value, Values};

/// The elements of a message to be encoded.
#[derive(Clone, Copy)]
pub enum Outgoing<'a> {
    /// Dynamic values.
    Values(&'a [Value]),
    /// A Rust value that is serialised to elements, like [`to_values`](crate::value::to_values).
    Typed(&'a dyn Emit),
    /// A message in its received form.
    Wire(&'a RawMessage),
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
