//! `to_values` and `to_value`: the target of the serializer that builds values.

use bytes::Bytes;
use serde::ser::{Error as _, Serialize};

use super::de::UNDEFINED;
use super::serializer::{NULL_IN_SOME, Place};
use super::target::{Form, Plain, Target};
use super::{EncodeError, MAX_DEPTH, MAX_RESERVE, Value, Values, step};
use crate::Text;

/// The elements of the message that `message` becomes. A message is a list of elements, so a type with a fixed number of
/// fields gives its fields, an enum gives its variant's name and content, and everything else is one element:
///
/// | Rust | the message's elements | as one element, and nested |
/// | --- | --- | --- |
/// | tuple, `[T; N]`, tuple struct | its fields | an array of its fields |
/// | `()`, unit struct | none | null |
/// | enum: unit variant | `"Variant"` | `"Variant"` |
/// | newtype variant | `"Variant"`, its content | `{"Variant": content}` |
/// | tuple variant | `"Variant"`, its fields | `{"Variant": [fields]}` |
/// | struct variant | `"Variant"`, a map of its fields | `{"Variant": {fields}}` |
/// | newtype struct, `Box` | as its content | as its content |
/// | [`Spread`](crate::value::Spread), [`Values`] | their items | an array |
/// | `Option` | one element: null for `None`, or the content | null for `None`, or the content |
/// | number, text, bytes, `bool`, `Vec`, set, map, struct, [`Value`] | one element | itself |
///
/// `#[serde(tag)]` and `#[serde(untagged)]` make a struct or the content of an enum; they are messages as such.
///
/// [`Message::parse`](crate::Message::parse) is the reverse, and asks for the same: a tuple takes one element for each
/// field, an enum takes the first element as the variant's name, and every other type takes the only element. The
/// arguments of a handler ([`Message::parse_args`](crate::Message::parse_args)) are the elements after the tag: a tuple
/// takes one for each field, [`Spread`](crate::value::Spread) takes all of them, and every other type, enums among them, takes the only one.
///
/// A type that is read from what comes, such as an untagged enum or a [`Value`], is the only element, a unit if there is
/// none, or the array of all. So these do not come back, and may arrive as another value:
///
/// * In an untagged enum that is the whole message, a variant of a tuple of one field or of none, and of an enum that is
///   not a unit variant. Send it as an element: `("tag", value)`.
/// * In an enum that has a variant with `#[serde(untagged)]` and is the whole message, every other variant with content:
///   a catch-all takes it.
/// * What serde itself does not bring back. Behind `untagged`, `tag` and `flatten` it stores the value first, without
///   tags and simple values of CBOR and integers below -2^63, and then asks for nothing in particular: variants that
///   overlap, an integer that is rounded to a float, bytes that are a text.
///
/// Every other value arrives equal or is refused.
///
/// # Errors
/// As [`to_value`](crate::value::to_value); the error says in which element.
///
/// ```
/// use aemp::message::to_values;
/// #[derive(serde::Serialize)]
/// enum Request { Add(i64, i64), Stop }
/// assert_eq!(to_values(&Request::Add(1, 2))?, to_values(&("Add", 1, 2))?);
/// assert_eq!(to_values(&Request::Stop)?, to_values("Stop")?);
/// // A sequence is one element.
/// assert_eq!(to_values(&vec![1, 2])?.len(), 1);
/// # Ok::<(), aemp::codec::EncodeError>(())
/// ```
#[inline]
pub fn to_values<T: Serialize + ?Sized>(message: &T) -> Result<Values, EncodeError> {
    message.serialize(Place::message(&mut Builder))
}

/// The dynamic form of `value`.
///
/// Structs become maps with text keys; an enum's unit variant becomes its name, any other variant a map of one
/// pair. A tag of `ciborium::tag` becomes a [`Value::Tag`].
///
/// # Errors
/// Where the type's own `Serialize` fails, an integer is beyond -2^64 to 2^64-1, the nesting beyond [`MAX_DEPTH`], or
/// a `Some` holds null (`Some(None)`, `Some(())`) and would be read as `None`. The error has the path to the element.
///
/// ```
/// use aemp::{Value, value::to_value};
/// assert_eq!(to_value(&("a", 1))?, Value::from(vec!["a".into(), 1.into()]));
/// assert!(to_value(&u128::MAX).is_err());
/// # Ok::<(), aemp::codec::EncodeError>(())
/// ```
#[inline]
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, EncodeError> {
    value.serialize(Place::inner(&mut Builder, 0))
}

/// Builds values.
struct Builder;

impl Target for Builder {
    type Error = EncodeError;
    type Built = Value;
    type Message = Values;
    type Items = Vec<Value>;
    type Pairs = Vec<(Value, Value)>;
    const RARE: bool = true;

    #[inline]
    fn limit(&self) -> usize {
        MAX_DEPTH
    }
    #[cold]
    fn too_deep(&self) -> EncodeError {
        EncodeError::TooDeep {
            path: String::new(),
            limit: MAX_DEPTH,
        }
    }
    #[cold]
    fn in_element(error: EncodeError, at: usize) -> EncodeError {
        error.in_element(at)
    }
    #[cold]
    fn in_item(error: EncodeError, at: usize) -> EncodeError {
        error.below(&format!("[{at}]"))
    }
    #[cold]
    fn in_value(error: EncodeError, key: &Value) -> EncodeError {
        error.below(&step(key))
    }
    #[cold]
    fn in_field(error: EncodeError, name: &'static str) -> EncodeError {
        error.below(&step(&name.into()))
    }

    #[inline]
    fn one(&mut self) {}
    #[inline]
    fn message_of(element: Value) -> Values {
        Values::from_iter([element])
    }
    #[inline]
    fn scalar(&mut self, scalar: Plain<'_>) -> Result<Value, EncodeError> {
        Ok(match scalar {
            Plain::Null => Value::Null,
            Plain::Bool(b) => Value::Bool(b),
            Plain::Integer(n) => Value::Integer(n),
            Plain::Float(x) => Value::Float(x),
            Plain::Bytes(bytes) => Bytes::copy_from_slice(bytes).into(),
        })
    }
    // Not inlined: in the code of small messages it costs more than the call.
    #[inline(never)]
    fn text(&mut self, text: &str) -> Result<Value, EncodeError> {
        Ok(Value::Text(Text::from(text)))
    }
    #[inline]
    fn name(&mut self, name: &'static str) -> Result<Value, EncodeError> {
        Ok(Text::from_static(name).into())
    }
    fn simple(&mut self, number: Value, in_some: bool) -> Result<Value, EncodeError> {
        match number.as_u64().and_then(|n| u8::try_from(n).ok()) {
            Some(UNDEFINED) if in_some => Err(EncodeError::custom(NULL_IN_SOME)),
            Some(n) => Ok(Value::Simple(n)),
            None => Err(EncodeError::custom("a simple value is a number up to 255")),
        }
    }

    #[inline]
    fn array(&mut self, _: Form, len: Option<usize>) -> Vec<Value> {
        Vec::with_capacity(len.unwrap_or(0).min(MAX_RESERVE))
    }
    #[inline]
    fn push(items: &mut Vec<Value>, item: Value) {
        items.push(item);
    }
    #[inline]
    fn count(items: &Vec<Value>) -> usize {
        items.len()
    }
    #[inline]
    fn end_message(&mut self, items: Vec<Value>) -> Result<Values, EncodeError> {
        Ok(items.into())
    }
    #[inline]
    fn end_array(&mut self, items: Vec<Value>, form: Form) -> Result<Value, EncodeError> {
        match form {
            Form::Tagged => tagged(items),
            _ => Ok(formed(form, items.into())),
        }
    }

    #[inline]
    fn map(&mut self, _: Form, len: Option<usize>) -> Vec<(Value, Value)> {
        Vec::with_capacity(len.unwrap_or(0).min(MAX_RESERVE))
    }
    #[inline]
    fn key(&mut self, name: &'static str) -> Value {
        Text::from_static(name).into()
    }
    #[inline]
    fn add(pairs: &mut Vec<(Value, Value)>, key: Value, value: Value) {
        pairs.push((key, value));
    }
    fn end_named(
        &mut self,
        name: &'static str,
        pairs: Vec<(Value, Value)>,
    ) -> Result<Values, EncodeError> {
        Ok(vec![self.key(name), Value::Map(pairs.into())].into())
    }
    #[inline]
    fn end_map(&mut self, pairs: Vec<(Value, Value)>, form: Form) -> Result<Value, EncodeError> {
        Ok(formed(form, Value::Map(pairs.into())))
    }
}

/// `value` together with the name of the variant whose content it is.
#[inline]
fn formed(form: Form, value: Value) -> Value {
    match form {
        Form::Variant(name) => Value::Map(vec![(Text::from_static(name).into(), value)].into()),
        _ => value,
    }
}

/// The tagged value that `parts`, a tag and a value, stand for.
#[cold]
fn tagged(mut parts: Vec<Value>) -> Result<Value, EncodeError> {
    let value = parts.pop().unwrap_or_default();
    match parts.pop().as_ref().and_then(Value::as_u64) {
        Some(tag) => Ok(Value::Tag(tag, Box::new(value))),
        None => Err(EncodeError::custom("a tag is a number up to 2^64-1")),
    }
}
