//! `Message`: what one `send` carries: a list of elements, the first of which is by convention a text, its tag
//! (protocol.md section 4).

mod cost;
mod into;
mod outgoing;
mod wire;

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::token::{Rest, WireFormat};
use crate::value::{Items, ParseError, Value, Values, parse};

pub(crate) use cost::costs_at_most;
pub(crate) use into::built_from;

pub use cost::{cost_of, cost_of_message};
pub use into::{IntoMessage, values_to_send};
pub use outgoing::Outgoing;
pub use wire::{Wire, without};

/// A message: a list of elements. By convention the first is a text, the message's tag.
///
/// ```
/// use aemp_proto::Message;
/// let message = Message::from_iter(["greet", "world"]);
/// assert_eq!(message.tag().as_deref(), Some("greet"));
/// let (tag, whom): (String, String) = message.parse()?;
/// assert_eq!(whom, "world");
/// # Ok::<(), aemp_proto::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Message(Body);

#[derive(Clone)]
enum Body {
    /// Dynamic values.
    Values(Values),
    /// Bytes as they came from the wire: found well-formed and within the limits, looked at when asked.
    Wire(Wire),
}

impl Message {
    /// The first element, if it is a text. From an AnyEvent::MP node, bytes and numbers are texts here.
    pub fn tag(&self) -> Option<Cow<'_, str>> {
        match &self.0 {
            Body::Values(values) => values.first()?.as_str().map(Cow::Borrowed),
            Body::Wire(wire) => wire.reader().elements(wire.rest()).text().ok()?,
        }
    }

    /// The whole message as a `T`: a tuple takes one element each, an enum the tag as the variant's name and the
    /// rest as its content. [`to_values`](crate::value::to_values) has the table of what becomes what; this is the way back.
    ///
    /// # Errors
    /// Where there are fewer or more elements, or an element is not of its type. From an AnyEvent::MP node, which has one
    /// type for texts, bytes and numbers, each is taken where another is asked for, if nothing is lost by that; the
    /// table in docs/from-perl.md has all of it.
    ///
    /// ```
    /// use aemp_proto::Message;
    /// #[derive(serde::Deserialize, PartialEq, Debug)]
    /// enum Request { Greet(String), Stop }
    /// let message = Message::from_iter(["Greet", "world"]);
    /// assert_eq!(message.parse::<Request>()?, Request::Greet("world".into()));
    /// # Ok::<(), aemp_proto::ParseError>(())
    /// ```
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ParseError> {
        match self.0 {
            Body::Values(values) => parse(Items(values.into_iter()), 0),
            Body::Wire(wire) => parse(wire.reader().elements(wire.rest()), 0),
        }
    }

    /// The elements after the first, which is the tag, as a `T`; otherwise as [`parse`](Self::parse).
    ///
    /// # Errors
    /// As for [`parse`](Self::parse). Elements are counted from the message's first there too.
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

    /// The elements as dynamic values. From an AnyEvent::MP node, byte strings that are UTF-8 are texts here; nothing else is
    /// read leniently, since no type asks for it.
    ///
    /// # Errors
    /// Only where the codec that received the message cannot read what it has accepted.
    pub fn values(&self) -> Result<Cow<'_, [Value]>, ParseError> {
        match &self.0 {
            Body::Values(values) => Ok(Cow::Borrowed(values)),
            Body::Wire(wire) => Ok(Cow::Owned(wire.values()?.into_vec())),
        }
    }

    /// As [`values`](Self::values), for a message that is not needed any more.
    ///
    /// # Errors
    /// As for [`values`](Self::values).
    pub fn into_values(self) -> Result<Values, ParseError> {
        match self.0 {
            Body::Values(values) => Ok(values),
            Body::Wire(wire) => wire.values(),
        }
    }

    /// Appends an element, such as the port ID that a `call` wants its answer at.
    ///
    /// # Errors
    /// As for [`values`](Self::values), with the message left as it was.
    pub fn push(&mut self, value: impl Into<Value>) -> Result<(), ParseError> {
        if let Body::Wire(wire) = &self.0 {
            self.0 = Body::Values(wire.values()?);
        }
        if let Body::Values(values) = &mut self.0 {
            values.push(value);
        }
        Ok(())
    }

    /// The message as it came from a peer, if it did.
    pub fn as_wire(&self) -> Option<&Wire> {
        match &self.0 {
            Body::Values(_) => None,
            Body::Wire(wire) => Some(wire),
        }
    }
}

/// What all messages of a connection have in common: what reads them, and whether an AnyEvent::MP node wrote them.
#[derive(Clone, Copy)]
pub struct Source {
    pub(crate) format: &'static dyn WireFormat,
    pub(crate) perl: bool,
}

impl Source {
    /// The source of a message from a peer.
    #[inline]
    pub fn of(message: &Wire) -> Self {
        message.source()
    }

    /// A message from this source: a copy of `bytes`, the array with the port's name in front, whose elements are `rest`.
    #[inline]
    pub fn message(self, bytes: &[u8], rest: Rest) -> Message {
        Wire::copied(bytes, self, rest).into()
    }

    /// Whether both are the same.
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

/// The elements of `message` as values, and the message itself if it is as an AnyEvent::MP node has sent it: types that are
/// read from that get what the node means.
///
/// # Errors
/// As for [`Message::values`].
pub fn values_and_wire(message: Message) -> Result<(Values, Option<Wire>), ParseError> {
    match message.0 {
        Body::Values(values) => Ok((values, None)),
        Body::Wire(wire) => {
            let values = wire.values()?;
            Ok((values, Some(wire).filter(Wire::is_perl)))
        }
    }
}

/// What a message is made of, for a queue that stores messages in a form of its own.
#[derive(Debug)]
pub enum Parts {
    /// Dynamic values.
    Values(Values),
    /// Bytes as they came from a peer.
    Wire(Wire),
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

/// Messages from a peer that are shorter than this are copied into the queue's memory; longer ones have their own.
pub const COPY_BELOW: usize = 16 << 10;

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Body::Values(values) => values.fmt(f),
            Body::Wire(wire) => wire.fmt(f),
        }
    }
}

impl From<Wire> for Message {
    #[inline]
    fn from(wire: Wire) -> Self {
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
