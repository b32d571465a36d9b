//! `IntoMessage`: the trait of everything that can be sent.

use serde::Serialize;

use super::{Body, Message, Outgoing};
use crate::value::{EncodeError, ParseError, Values, to_values};

/// What can be sent as a message: every type with `Serialize`, and a [`Message`] itself.
///
/// A tuple becomes a message of its fields, an enum a message whose tag is the variant's name, and any other type a
/// message of one element. [`to_values`] has the table.
///
/// ```
/// use aemp::Message;
/// use aemp::traits::IntoMessage;
/// let message = ("add", 41).into_message()?;
/// assert_eq!(message.tag().as_deref(), Some("add"));
/// # Ok::<(), aemp::codec::EncodeError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a message",
    label = "does not implement `Serialize`",
    note = "a message is a tuple such as `(\"add\", 41)`, or any type with `#[derive(serde::Serialize)]`"
)]
pub trait IntoMessage: sealed::Sealed {
    /// The message as a codec takes it, without intermediate values.
    fn outgoing(&self) -> Outgoing<'_>;

    /// The message as values, or unchanged if it is a [`Message`].
    ///
    /// # Errors
    /// As for [`to_values`].
    fn into_message(self) -> Result<Message, EncodeError>;
}

mod sealed {
    pub trait Sealed {}
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> sealed::Sealed for T {}

impl sealed::Sealed for Message {}

#[diagnostic::do_not_recommend]
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

/// The message as values, so that elements can be added before it is sent.
///
/// # Errors
/// As for [`Message::into_values`].
pub fn values_to_send(message: Message) -> Result<Values, EncodeError> {
    or_encode_error(message.into_values())
}

/// The values of a message that is to be sent. An error of reading them is an error of sending.
pub(crate) fn or_encode_error(values: Result<Values, ParseError>) -> Result<Values, EncodeError> {
    values.map_err(|error| EncodeError::serialize(error.to_string()))
}
