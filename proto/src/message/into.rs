//! `IntoMessage`: whatever can be sent.

use serde::Serialize;

use super::{Body, Message, Outgoing};
use crate::value::{EncodeError, ParseError, Values, to_values};

/// What can be sent as a message: every type with `Serialize`, and a [`Message`] itself.
///
/// A tuple is a message of its elements, an enum a message whose tag is the variant's name;
/// [`to_values`] has the table.
///
/// ```
/// use aemp_proto::message::{IntoMessage, Message};
/// let message = ("add", 41).into_message()?;
/// assert_eq!(message.tag().as_deref(), Some("add"));
/// # Ok::<(), aemp_proto::value::EncodeError>(())
/// ```
pub trait IntoMessage {
    /// The message for a codec, with no values built in between.
    fn outgoing(&self) -> Outgoing<'_>;

    /// The message as values, or as it came.
    ///
    /// # Errors
    /// As for [`to_values`].
    fn into_message(self) -> Result<Message, EncodeError>;
}

impl<T: Serialize> IntoMessage for T {
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing::Typed(self)
    }

    #[inline]
    fn into_message(self) -> Result<Message, EncodeError> {
        to_values(&self).map(Message::from)
    }
}

impl IntoMessage for Message {
    fn outgoing(&self) -> Outgoing<'_> {
        match &self.0 {
            Body::Values(values) => Outgoing::Values(values),
            Body::Wire(wire) => Outgoing::Wire(wire),
        }
    }

    #[inline]
    fn into_message(self) -> Result<Message, EncodeError> {
        Ok(self)
    }
}

/// The message as values, so that it can be sent with something before or behind it.
///
/// # Errors
/// As for [`Message::into_values`].
pub fn values_to_send(message: Message) -> Result<Values, EncodeError> {
    built_from(message.into_values())
}

/// `values`, which were read from a message that is to be sent.
pub(crate) fn built_from(values: Result<Values, ParseError>) -> Result<Values, EncodeError> {
    values.map_err(|error| EncodeError::Serialize(error.to_string()))
}
