//! Making frames, and taking one apart again where a message has to wait for its codec.

use super::{EncodeError, Frame, Outgoing};
use crate::Value;
use crate::message::{Values, to_values};

impl<'a> Frame<'a> {
    /// A frame of dynamic values.
    pub fn of(port: &'a str, values: &'a [Value]) -> Self {
        Self {
            port,
            body: Outgoing::Values(values),
            reply: None,
        }
    }

    /// The message's elements as values, the reply port's ID included.
    ///
    /// # Errors
    /// If a type's own `Serialize` fails, or it holds what no value can be.
    pub fn to_values(&self) -> Result<Values, EncodeError> {
        let mut values = match self.body {
            Outgoing::Values(values) => values.into(),
            Outgoing::Typed(typed) => to_values(typed)?,
            Outgoing::Wire(wire) => wire
                .values()
                .map_err(|error| EncodeError::Serialize(error.to_string()))?,
        };
        if let Some(reply) = self.reply {
            values.push(reply.to_string());
        }
        Ok(values)
    }
}
