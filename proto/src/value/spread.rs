//! `Spread`: a list whose items are the elements of a message.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::MAX_RESERVE;

/// A list whose items are the elements of a message, or all arguments of a handler, whatever their number. A `Vec` is
/// one element.
///
/// An AnyEvent::MP node sends such messages with `snd $port, "sum", @numbers`.
///
/// ```
/// use aemp::traits::IntoMessage;
/// use aemp::message::Spread;
/// let message = Spread(vec!["a", "b"]).into_message()?;
/// assert_eq!(message.to_values()?.len(), 2);
/// let Spread(texts) = message.parse::<Spread<String>>()?;
/// assert_eq!(texts, ["a", "b"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread<T>(pub Vec<T>);

/// As a tuple, whose fields are the elements.
impl<T: Serialize> Serialize for Spread<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fields(&self.0, serializer)
    }
}

/// Serializes a list as a tuple: its items are the elements of a message.
pub(crate) fn serialize_fields<T, S>(items: &[T], serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize,
    S: Serializer,
{
    let mut tuple = serializer.serialize_tuple(items.len())?;
    for item in items {
        tuple.serialize_element(item)?;
    }
    tuple.end()
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spread<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The number is not known. The deserializers of messages do not ask for it.
        let items = deserializer.deserialize_tuple(0, Items(PhantomData))?;
        Ok(Self(items))
    }
}

struct Items<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX_RESERVE));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}
