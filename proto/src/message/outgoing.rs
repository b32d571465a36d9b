//! `Outgoing`: the elements of a message on its way to a codec.

use super::{Wire, built_from};
use crate::token::Emit;
use crate::value::{EncodeError, Value, Values};

/// The elements of a message to be encoded.
#[derive(Clone, Copy)]
pub enum Outgoing<'a> {
    /// Dynamic values.
    Values(&'a [Value]),
    /// A Rust value that serialises to a message's elements, as [`to_values`](crate::value::to_values) says.
    Typed(&'a dyn Emit),
    /// A message as it came from a peer.
    Wire(&'a Wire),
}

impl Outgoing<'_> {
    /// The elements as values.
    ///
    /// # Errors
    /// If a type's own `Serialize` fails, or it holds what no value can be.
    pub(crate) fn to_values(self) -> Result<Values, EncodeError> {
        match self {
            Self::Values(values) => Ok(values.into()),
            Self::Typed(typed) => typed.to_values(),
            Self::Wire(wire) => built_from(wire.values()),
        }
    }
}
