//! `Value` to Rust values: `Value`'s `Deserialize`, and the deserializer behind `from_value`.

use std::borrow::Cow;
use std::fmt;
use std::vec;

use bytes::Bytes;
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _,
    IntoDeserializer, Unexpected, Visitor,
};

use super::mark::{SIMPLE, TAG, TAGGED, UNTAGGED, VARIANTS};
use super::scalar::{Precision, Scalar, Want, unexpected_integer};
use super::{
    Countable, Integer, IntoIter, MAX_RESERVE, Map, Names, PairVariant, ParseError, Value,
};
use crate::Text;

/// `value` as a `T`, the other way round from [`to_value`](super::to_value).
///
/// # Errors
/// If the value does not fit the type: says what was expected and what was found.
///
/// ```
/// use aemp::{Value, value::from_value};
/// let pair: (String, i64) = from_value(Value::from(vec!["a".into(), 1.into()]))?;
/// assert_eq!(pair, ("a".to_owned(), 1));
/// # Ok::<(), aemp::error::ParseError>(())
/// ```
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ParseError> {
    T::deserialize(FromValue(value))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

macro_rules! visit {
    ($($method:ident($t:ty) => $variant:ident),* $(,)?) => {$(
        fn $method<E: de::Error>(self, v: $t) -> Result<Value, E> {
            Ok(Value::$variant(v.into()))
        }
    )*};
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    visit!(
        visit_bool(bool) => Bool,
        visit_i64(i64) => Integer,
        visit_u64(u64) => Integer,
        visit_f64(f64) => Float,
        visit_str(&str) => Text,
        visit_string(String) => Text,
    );

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Bytes::copy_from_slice(bytes).into())
    }
    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Bytes::from(bytes).into())
    }
    fn visit_i128<E: de::Error>(self, n: i128) -> Result<Value, E> {
        Integer::try_from(n).map(Value::Integer).map_err(E::custom)
    }
    fn visit_u128<E: de::Error>(self, n: u128) -> Result<Value, E> {
        Integer::try_from(n).map(Value::Integer).map_err(E::custom)
    }
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        Value::deserialize(d)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        Value::deserialize(d)
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX_RESERVE));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(MAX_RESERVE));
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Map(Map::from(pairs)))
    }
    fn visit_enum<A: de::EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        use de::VariantAccess;
        let (name, variant): (Text, _) = data.variant()?;
        match name.as_str() {
            TAGGED => variant.tuple_variant(2, TaggedValue),
            UNTAGGED => variant.newtype_variant(),
            SIMPLE => variant.newtype_variant().map(Value::Simple),
            _ => Err(A::Error::unknown_variant(&name, VARIANTS)),
        }
    }
}

struct TaggedValue;

impl<'de> Visitor<'de> for TaggedValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tag and its value")
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let short = |n| A::Error::invalid_length(n, &Self);
        let tag = seq.next_element()?.ok_or_else(|| short(0))?;
        let value = seq.next_element()?.ok_or_else(|| short(1))?;
        Ok(Value::Tag(tag, value))
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Integer(n) => Ok(n),
            other => Err(D::Error::invalid_type(unexpected(&other), &"an integer")),
        }
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(map) => Ok(map),
            other => Err(D::Error::invalid_type(unexpected(&other), &"a map")),
        }
    }
}

/// The name of this kind of value in serde's errors.
fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(b) => Unexpected::Bool(*b),
        Value::Integer(n) => unexpected_integer(*n),
        Value::Float(x) => Unexpected::Float(*x),
        Value::Bytes(bytes) => Unexpected::Bytes(bytes),
        Value::Text(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Map(_) => Unexpected::Map,
        Value::Tag(..) | Value::Simple(_) => Unexpected::Enum,
    }
}

/// CBOR's `undefined`. Reads as nothing where the type is an option or a unit.
pub(crate) const UNDEFINED: u8 = 23;

/// The deserializer over a [`Value`].
pub(crate) struct FromValue(pub(crate) Value);

impl FromValue {
    fn visit<'de, V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value, ParseError> {
        let scalar = match self.0 {
            Value::Null => Scalar::Null,
            Value::Bool(b) => Scalar::Bool(b),
            Value::Integer(n) => Scalar::Integer(n),
            Value::Float(x) => Scalar::Float(x),
            // Moves the bytes if this is the only reference to them.
            Value::Bytes(bytes) => Scalar::Bytes(Cow::Owned((*bytes).into())),
            Value::Text(text) => return visitor.visit_str(&text),
            Value::Array(items) => return visit_list(items.into_vec(), visitor),
            Value::Map(map) => return visitor.visit_map(Pairs::new(map, want == Want::Struct)),
            // A type that asks for a specific value ignores tags around it.
            Value::Tag(_, value) if want != Want::Any => return Self(*value).visit(want, visitor),
            Value::Simple(UNDEFINED) if matches!(want, Want::Other | Want::Struct) => {
                return visitor.visit_unit();
            }
            other => return visitor.visit_enum(Marked(other)),
        };
        scalar.visit(want, false, visitor)
    }

    fn untagged(mut self) -> Self {
        while let Value::Tag(_, value) = self.0 {
            self.0 = *value;
        }
        self
    }
}

/// The methods of a `Deserializer` that differ only in the wanted type and in the further arguments given here.
macro_rules! wants {
    ($($method:ident($($t:ty),*) $want:expr),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $t,)* visitor: V) -> Result<V::Value, ParseError> {
            self.visit($want, visitor)
        }
    )*};
}

/// All of these methods, and the one for newtypes, which read as their content.
macro_rules! all_wants {
    () => {
        crate::value::de::wants!(
            deserialize_any() Want::Any,
            deserialize_bool() Want::Bool,
            deserialize_i8() Want::Integer, deserialize_i16() Want::Integer, deserialize_i32() Want::Integer,
            deserialize_i64() Want::Integer, deserialize_i128() Want::Integer,
            deserialize_u8() Want::Integer, deserialize_u16() Want::Integer, deserialize_u32() Want::Integer,
            deserialize_u64() Want::Integer, deserialize_u128() Want::Integer,
            deserialize_f32() Want::Float(Precision::Single), deserialize_f64() Want::Float(Precision::Double),
            deserialize_char() Want::Text, deserialize_str() Want::Text, deserialize_string() Want::Text,
            deserialize_identifier() Want::Text,
            deserialize_bytes() Want::Bytes, deserialize_byte_buf() Want::Bytes,
            deserialize_unit() Want::Other, deserialize_unit_struct(&'static str) Want::Other,
            deserialize_seq() Want::Other, deserialize_tuple(usize) Want::Other,
            deserialize_tuple_struct(&'static str, usize) Want::Other,
            deserialize_map() Want::Other,
            deserialize_struct(&'static str, &'static [&'static str]) Want::Struct,
        );
        fn deserialize_newtype_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            visitor: V,
        ) -> Result<V::Value, ParseError> {
            visitor.visit_newtype_struct(self)
        }
    };
}

pub(crate) use {all_wants, wants};

impl<'de> Deserializer<'de> for FromValue {
    type Error = ParseError;

    all_wants!();

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        match self.0 {
            Value::Null | Value::Simple(UNDEFINED) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        if name == TAG {
            return visitor.visit_enum(Marked(self.0));
        }
        match self.untagged().0 {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Map(map) if map.len() == 1 => {
                visitor.visit_enum(PairVariant::new(Pairs::new(map, true), variants))
            }
            other => Err(ParseError::invalid_type(
                unexpected(&other),
                &"the name of a variant, or a map of one from its name to its content",
            )),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_unit()
    }
}

impl IntoDeserializer<'_, ParseError> for FromValue {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

fn visit_list<'de, V: Visitor<'de>>(items: Vec<Value>, visitor: V) -> Result<V::Value, ParseError> {
    let len = items.len();
    let mut items = Items(items.into_iter());
    let value = visitor.visit_seq(&mut items)?;
    match items.0.len() {
        0 => Ok(value),
        left => Err(too_long(len, len - left)),
    }
}

/// The error for an integer instead of the name of a variant or a field. serde would take it for an index.
#[cold]
pub(crate) fn no_name(n: Integer) -> ParseError {
    ParseError::invalid_type(unexpected_integer(n), &"the name of a variant or a field")
}

/// The error for an array or a message with more elements than its type.
pub(crate) fn too_long(found: usize, wanted: usize) -> ParseError {
    let s = if wanted == 1 { "" } else { "s" };
    ParseError::invalid_length(found, &format!("{wanted} element{s}").as_str())
}

/// The elements of an array or a message.
pub(crate) struct Items<I>(pub(crate) I);

impl<'de, I: ExactSizeIterator<Item = Value>> de::SeqAccess<'de> for Items<I> {
    type Error = ParseError;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        let item = self.0.next();
        item.map(|item| seed.deserialize(FromValue(item)))
            .transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Pairs {
    pairs: vec::IntoIter<(Value, Value)>,
    value: Value,
    /// Whether the keys are names of fields or variants, for which serde takes an integer as an index.
    are_names: bool,
}

impl Pairs {
    fn new(map: Map, are_names: bool) -> Self {
        Self {
            pairs: map.into_iter(),
            value: Value::Null,
            are_names,
        }
    }
}

impl<'de> de::MapAccess<'de> for Pairs {
    type Error = ParseError;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ParseError> {
        let Some((key, value)) = self.pairs.next() else {
            return Ok(None);
        };
        self.value = value;
        if self.are_names
            && let Value::Integer(n) = bare(&key)
        {
            return Err(no_name(*n));
        }
        seed.deserialize(FromValue(key)).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        seed.deserialize(FromValue(std::mem::take(&mut self.value)))
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

impl Names for Pairs {
    type Mark = Option<Text>;
    fn mark(&self) -> Option<Text> {
        text_of(self.pairs.as_slice().first().map(|(key, _)| key))
    }
    fn is_one_of(&self, name: &Option<Text>, names: &[&str]) -> bool {
        is_one_of(name, names)
    }
}

impl Names for Items<IntoIter> {
    type Mark = Option<Text>;
    fn mark(&self) -> Option<Text> {
        match self.0.as_slice() {
            // Without content nobody looks at the name again.
            [_] => None,
            all => text_of(all.first()),
        }
    }
    fn is_one_of(&self, name: &Option<Text>, names: &[&str]) -> bool {
        is_one_of(name, names)
    }
}

/// The value without its tags.
fn bare(mut value: &Value) -> &Value {
    while let Value::Tag(_, inner) = value {
        value = inner;
    }
    value
}

fn text_of(value: Option<&Value>) -> Option<Text> {
    match value.map(bare) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn is_one_of(name: &Option<Text>, names: &[&str]) -> bool {
    name.as_ref()
        .is_none_or(|name| names.contains(&name.as_str()))
}

/// A value as the enum of `mark`, which represents tags and simple values.
struct Marked(Value);

impl<'de> de::EnumAccess<'de> for Marked {
    type Error = ParseError;
    type Variant = Self;
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self), ParseError> {
        let name = match self.0 {
            Value::Tag(..) => TAGGED,
            Value::Simple(_) => SIMPLE,
            _ => UNTAGGED,
        };
        let name = seed.deserialize(de::value::StrDeserializer::new(name))?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Marked {
    type Error = ParseError;
    fn unit_variant(self) -> Result<(), ParseError> {
        Err(ParseError::invalid_type(unexpected(&self.0), &"a unit"))
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        match self.0 {
            Value::Simple(n) => seed.deserialize(n.into_deserializer()),
            other => seed.deserialize(FromValue(other)),
        }
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ParseError> {
        match self.0 {
            Value::Tag(tag, value) => visit_list(vec![tag.into(), *value], visitor),
            other => visit_list(vec![other], visitor),
        }
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        Err(ParseError::invalid_type(unexpected(&self.0), &visitor))
    }
}

impl<'de> Countable<'de> for Items<IntoIter> {
    fn up_to_two(&self) -> usize {
        self.0.len().min(2)
    }
    fn next_name_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        match self.0.as_slice().first().map(bare) {
            Some(Value::Integer(n)) => Err(no_name(*n)),
            _ => de::SeqAccess::next_element_seed(self, seed),
        }
    }
}
