//! `Value`: the dynamic data model of messages, which is that of CBOR (RFC 8949). JSON covers a part of it; a value
//! that it lacks is an error when a message is encoded, and is never changed to another. [`Values`] are the elements of
//! a message. The flat form, a table at [`to_values`], defines the elements that a type becomes.

mod builder;
pub(crate) mod de;
mod diagnostic;
mod encode_error;
mod integer;
mod map;
pub(crate) mod mark;
mod numeral;
mod parse;
mod parse_error;
mod path;
pub(crate) mod scalar;
mod ser;
pub(crate) mod serializer;
mod spread;
pub(crate) mod target;
mod values;
mod variant;

use std::borrow::Cow;

use bytes::Bytes;

use crate::{NodeId, PortId, PortName, Text};

pub(crate) use de::{Items, too_long};
pub(crate) use parse::{Countable, parse};
pub(crate) use path::{shortened, step};

pub(crate) use variant::{Names, PairVariant};

pub use builder::{to_value, to_values};
pub use de::from_value;
pub use encode_error::EncodeError;
pub use integer::{Integer, IntegerRangeError};
pub use map::Map;
pub use numeral::perl_float;
pub use parse_error::ParseError;
pub use spread::Spread;
pub(crate) use spread::serialize_fields;
pub use values::{IntoIter, Values, append, next_of};

/// The maximum nesting of a message that is sent, the message's own array included. Beyond it an AnyEvent::MP node
/// drops everything that follows on the connection ([protocol.md section 2]).
///
/// [protocol.md section 2]: crate::protocol#2-opening-a-connection
pub const MAX_DEPTH: usize = 512;

/// The maximum number of values for which memory is reserved before they have arrived: 24 KiB.
pub(crate) const MAX_RESERVE: usize = 1024;

/// One value of a message. Takes 24 bytes.
///
/// ```
/// use aemp::Value;
/// let value = Value::from(vec![Value::from("pi"), Value::from(3.14)]);
/// assert_eq!(value[0].as_str(), Some("pi"));
/// assert_eq!(value[1].as_f64(), Some(3.14));
/// assert_eq!(value[7], Value::Null);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// JSON's and CBOR's `null`; Perl's `undef`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer from -2^64 to 2^64-1.
    Integer(Integer),
    /// A float. Both codecs represent every finite one exactly; JSON has no NaN and no infinities.
    Float(f64),
    /// A byte string. JSON has none.
    Bytes(Box<Bytes>),
    /// A Unicode string.
    Text(Text),
    /// A list of values.
    Array(Box<[Self]>),
    /// Pairs of key and value. In JSON every key is a text.
    Map(Map),
    /// A CBOR tag and its content (RFC 8949 section 3.4). JSON has none. Some tags make an AnyEvent::MP node drop
    /// everything that follows on the connection; towards such a node they are an error (docs/from-perl.md).
    Tag(u64, Box<Self>),
    /// A CBOR simple value other than `false`, `true` and `null`; 23 is `undefined`. The numbers 20 to 22, which are those
    /// three, and 24 to 31, which are reserved, cannot go to another node. JSON has none, and towards an AnyEvent::MP node it is an
    /// error, for the same reason as with tags.
    Simple(u8),
}

impl Value {
    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(is_true) => Some(*is_true),
            _ => None,
        }
    }

    /// The byte string, if this is one.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The integer as `i64`, if this is one and it fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => (*n).try_into().ok(),
            _ => None,
        }
    }

    /// The integer as `u64`, if this is one and it fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Integer(n) => (*n).try_into().ok(),
            _ => None,
        }
    }

    /// The number as a float, if this is a float, or an integer that a float can represent exactly.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            Self::Integer(n) => n.as_f64(),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs, if this is a map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether this is `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// The element of an array, or `Null` if there is none.
impl std::ops::Index<usize> for Value {
    type Output = Self;
    fn index(&self, at: usize) -> &Self {
        self.as_array()
            .and_then(|items| items.get(at))
            .unwrap_or(&Self::Null)
    }
}

/// The value of a text key of a map, or `Null` if there is none.
impl std::ops::Index<&str> for Value {
    type Output = Self;
    fn index(&self, key: &str) -> &Self {
        self.as_map()
            .and_then(|map| map.get(key))
            .unwrap_or(&Self::Null)
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Bool,
    i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer, isize => Integer,
    u8 => Integer, u16 => Integer, u32 => Integer, u64 => Integer, usize => Integer,
    Integer => Integer,
    f32 => Float, f64 => Float,
    Text => Text, &str => Text, String => Text,
    Vec<Value> => Array,
    Map => Map,
}

impl From<Cow<'_, str>> for Value {
    fn from(text: Cow<'_, str>) -> Self {
        Self::from(&*text)
    }
}

impl From<&NodeId> for Value {
    fn from(id: &NodeId) -> Self {
        Self::from(id.as_str())
    }
}

impl From<&PortName> for Value {
    fn from(name: &PortName) -> Self {
        Self::from(name.as_str())
    }
}

impl From<&PortId> for Value {
    fn from(id: &PortId) -> Self {
        Self::from(id.to_string())
    }
}

impl From<PortId> for Value {
    fn from(id: PortId) -> Self {
        Self::from(&id)
    }
}

/// `None` is [`Value::Null`].
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(Box::new(bytes))
    }
}

/// Values are moved and queued often, so their size matters for speed.
const _: () = assert!(size_of::<Value>() == 24);

/// Whether a [`Value::Simple`] of this number can be sent: 20 to 22 are values of their own, `false`, `true` and `null`,
/// and 24 to 31 have no well-formed encoding (RFC 8949 section 3.3).
#[inline]
pub(crate) fn is_simple(n: u8) -> bool {
    !matches!(n, 20..=22 | 24..=31)
}
