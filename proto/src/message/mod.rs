//! `Message`: a list of elements. By convention the first one is a text, the tag ([protocol.md section 4]).
//!
//! [protocol.md section 4]: crate::protocol#4-messages

mod cost;
mod into;
mod outgoing;
mod wire;

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::token::{Rest, TokenReader};
use crate::value::{Items, ParseError, Value, Values, parse};

pub(crate) use cost::costs_at_most;
pub(crate) use into::or_encode_error;

pub use cost::{cost_of, cost_of_message};
pub use into::{IntoMessage, values_to_send};
pub use outgoing::Outgoing;
pub use wire::{RawMessage, skip_elements};

/// A message: a list of elements. By convention the first is a text, the message's tag.
///
/// ```
/// use aemp::Message;
/// let message = Message::from_iter(["greet", "world"]);
/// assert_eq!(message.tag().as_deref(), Some("greet"));
/// let (tag, whom): (String, String) = message.parse()?;
/// assert_eq!(whom, "world");
/// # Ok::<(), aemp::error::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Message(Body);

#[derive(Clone)]
enum Body {
    /// Dynamic values.
    Values(Values),
    /// Received bytes, which are well-formed and within the limits. They are decoded on demand.
    Wire(RawMessage),
}

impl Message {
    /// The first element, if it is a text. In a message of an AnyEvent::MP node, bytes and numbers count as texts.
    pub fn tag(&self) -> Option<Cow<'_, str>> {
        match &self.0 {
            Body::Values(values) => values.first()?.as_str().map(Cow::Borrowed),
            Body::Wire(wire) => wire.reader().elements(wire.rest()).text().ok()?,
        }
    }

    /// Parses the whole message as a `T`. Each field of a tuple takes one element; an enum takes the tag as the
    /// variant's name and the other elements as its content; any other type takes the only element. This is the inverse
    /// of [`to_values`](crate::value::to_values), which has the table.
    ///
    /// # Errors
    /// If the message has fewer or more elements, or an element has another type. An integer is accepted as a float only
    /// if the float represents it exactly. AnyEvent::MP nodes have one type for texts, bytes and numbers: in their
    /// messages each is accepted for another if the conversion is lossless, as the table in docs/from-perl.md says.
    ///
    /// ```
    /// use aemp::Message;
    /// #[derive(serde::Deserialize, PartialEq, Debug)]
    /// enum Request { Greet(String), Stop }
    /// let message = Message::from_iter(["Greet", "world"]);
    /// assert_eq!(message.parse::<Request>()?, Request::Greet("world".into()));
    /// # Ok::<(), aemp::error::ParseError>(())
    /// ```
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ParseError> {
        match self.0 {
            Body::Values(values) => parse(Items(values.into_iter()), 0),
            Body::Wire(wire) => parse(wire.reader().elements(wire.rest()), 0),
        }
    }

    /// Parses the elements after the tag as a `T`: each field of a tuple takes one, [`Spread`](crate::value::Spread)
    /// takes all, and any other type takes the only one. An enum is one element as well, in the form that it has inside a
    /// message.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse). Errors count elements from the first one of the message.
    pub fn parse_args<T: DeserializeOwned>(self) -> Result<T, ParseError> {
        match self.0 {
            Body::Values(values) => {
                let mut values = values.into_iter();
                values.next();
                parse(Items(values), 1)
            }
            Body::Wire(wire) => {
                let mut reader = wire.reader();
                let mut elements = reader.elements(wire.rest());
                elements.skip()?;
                parse(elements, 1)
            }
        }
    }

    /// The elements as dynamic values. In a message of an AnyEvent::MP node, byte strings that are UTF-8 become texts;
    /// other values are not converted, as no type is requested.
    ///
    /// # Errors
    /// Only if the codec cannot decode a message that it has accepted.
    pub fn to_values(&self) -> Result<Cow<'_, [Value]>, ParseError> {
        match &self.0 {
            Body::Values(values) => Ok(Cow::Borrowed(values)),
            Body::Wire(wire) => Ok(Cow::Owned(wire.to_values()?.into_vec())),
        }
    }

    /// Converts the message into its elements, like [`to_values`](Self::to_values).
    ///
    /// # Errors
    /// As for [`to_values`](Self::to_values).
    pub fn into_values(self) -> Result<Values, ParseError> {
        match self.0 {
            Body::Values(values) => Ok(values),
            Body::Wire(wire) => wire.to_values(),
        }
    }

    /// Appends an element, such as the ID of the reply port of a `call`.
    ///
    /// # Errors
    /// As for [`to_values`](Self::to_values). The message is unchanged then.
    pub fn push(&mut self, value: impl Into<Value>) -> Result<(), ParseError> {
        if let Body::Wire(wire) = &self.0 {
            self.0 = Body::Values(wire.to_values()?);
        }
        if let Body::Values(values) = &mut self.0 {
            values.push(value);
        }
        Ok(())
    }

    /// The received form of the message, if it came from a peer and was not changed.
    pub fn as_raw(&self) -> Option<&RawMessage> {
        match &self.0 {
            Body::Values(_) => None,
            Body::Wire(wire) => Some(wire),
        }
    }
}

/// The source of received messages, the same for all messages of a connection: their format, and whether the peer is an
/// AnyEvent::MP node.
#[derive(Clone, Copy)]
pub struct Source {
    pub(crate) format: &'static dyn TokenReader,
    pub(crate) perl: bool,
}

impl Source {
    /// The source of a received message.
    #[inline]
    pub fn of(message: &RawMessage) -> Self {
        message.source()
    }

    /// A message from this source, with a copy of `bytes`: the array that begins with the port's name. `rest` is the
    /// position of the elements.
    #[inline]
    pub fn message(self, bytes: &[u8], rest: Rest) -> Message {
        RawMessage::copied(bytes, self, rest).into()
    }

    /// Whether both sources are the same.
    #[inline]
    pub fn is(self, other: Self) -> bool {
        std::ptr::eq(self.format, other.format) && self.perl == other.perl
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("perl", &self.perl).finish()
    }
}

/// The elements of `message` as values, and its received form if it came from an AnyEvent::MP node: types that are
/// parsed from the received form get the conversions for such nodes.
///
/// # Errors
/// As for [`Message::to_values`].
pub fn values_and_wire(message: Message) -> Result<(Values, Option<RawMessage>), ParseError> {
    match message.0 {
        Body::Values(values) => Ok((values, None)),
        Body::Wire(wire) => {
            let values = wire.to_values()?;
            Ok((values, Some(wire).filter(RawMessage::is_perl)))
        }
    }
}

/// The content of a message, for a queue that stores messages in its own form.
#[derive(Debug)]
pub enum Parts {
    /// Dynamic values.
    Values(Values),
    /// A message in its received form.
    Wire(RawMessage),
}

impl From<Message> for Parts {
    #[inline]
    fn from(message: Message) -> Self {
        match message.0 {
            Body::Values(values) => Self::Values(values),
            Body::Wire(wire) => Self::Wire(wire),
        }
    }
}

const _: () = assert!(size_of::<Message>() == size_of::<Value>());

/// Received messages below this length, in bytes, are copied into the memory of a queue; longer ones keep their own.
pub const COPY_BELOW: usize = 16 << 10;

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Body::Values(values) => values.fmt(f),
            Body::Wire(wire) => wire.fmt(f),
        }
    }
}

impl From<RawMessage> for Message {
    #[inline]
    fn from(wire: RawMessage) -> Self {
        Self(Body::Wire(wire))
    }
}

impl From<Values> for Message {
    #[inline]
    fn from(values: Values) -> Self {
        Self(Body::Values(values))
    }
}

impl<T: Into<Value>> FromIterator<T> for Message {
    #[inline]
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::from(Values::from_iter(values))
    }
}

#[cfg(test)]
mod tests;
