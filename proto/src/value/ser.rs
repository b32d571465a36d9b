//! Rust values to `Value`: `Value`'s `Serialize`, and the serializer behind `to_value`.

use serde::ser::{self, Error as _, Serialize, Serializer};

use super::mark::{SIMPLE, TAG, TAGGED, UNTAGGED};
use super::{EncodeError, Integer, MAX_DEPTH, Map, Value};
use crate::Text;

/// The dynamic form of `value`.
///
/// Structs become maps with text keys; an enum's unit variant becomes its name, any other variant a map of one
/// pair. A tag of `ciborium::tag` becomes a [`Value::Tag`].
///
/// # Errors
/// Where the type's own `Serialize` fails, an integer is beyond -2^64 to 2^64-1, or the nesting beyond
/// [`MAX_DEPTH`].
///
/// ```
/// use aemp_proto::{Value, value::to_value};
/// assert_eq!(to_value(&("a", 1))?, Value::from(vec!["a".into(), 1.into()]));
/// assert!(to_value(&u128::MAX).is_err());
/// # Ok::<(), aemp_proto::value::EncodeError>(())
/// ```
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, EncodeError> {
    value.serialize(ToValue { depth: 0 })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Integer(n) => n.serialize(serializer),
            Self::Float(x) => serializer.serialize_f64(*x),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Map(map) => map.serialize(serializer),
            Self::Tag(tag, value) => {
                use ser::SerializeTupleVariant;
                let mut pair = serializer.serialize_tuple_variant(TAG, 1, TAGGED, 2)?;
                pair.serialize_field(tag)?;
                pair.serialize_field(value)?;
                pair.end()
            }
            Self::Simple(n) => serializer.serialize_newtype_variant(TAG, 2, SIMPLE, n),
        }
    }
}

impl Serialize for Integer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.parts(), i64::try_from(*self)) {
            (Ok(n), _) => serializer.serialize_u64(n),
            (_, Ok(n)) => serializer.serialize_i64(n),
            _ => serializer.serialize_i128((*self).into()),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, value)))
    }
}

/// Builds a [`Value`] at a place that is `depth` arrays, maps and tags deep.
#[derive(Clone, Copy)]
pub(crate) struct ToValue {
    pub(crate) depth: usize,
}

impl ToValue {
    fn deeper(self) -> Result<Self, EncodeError> {
        let depth = self.depth + 1;
        if depth > MAX_DEPTH {
            return Err(EncodeError::TooDeep {
                path: String::new(),
                limit: MAX_DEPTH,
            });
        }
        Ok(Self { depth })
    }

    fn list(self, len: Option<usize>, form: Form) -> Result<ListSer, EncodeError> {
        // A variant's array lies in a map of one pair.
        let outer = if matches!(form, Form::Variant(_)) {
            self.deeper()?
        } else {
            self
        };
        Ok(ListSer {
            items: Vec::with_capacity(len.unwrap_or(0).min(MAX_RESERVE)),
            form,
            inner: outer.deeper()?,
        })
    }

    fn pairs(self, len: Option<usize>, form: Form) -> Result<MapSer, EncodeError> {
        let outer = if matches!(form, Form::Variant(_)) {
            self.deeper()?
        } else {
            self
        };
        Ok(MapSer {
            pairs: Vec::with_capacity(len.unwrap_or(0).min(MAX_RESERVE)),
            key: None,
            form,
            inner: outer.deeper()?,
        })
    }
}

/// The most elements that room is made for before they are seen.
pub(crate) const MAX_RESERVE: usize = 1024;

/// What a finished list or map becomes.
pub(crate) enum Form {
    Plain,
    /// The value of a map of one pair whose key is the name of an enum's variant.
    Variant(&'static str),
    /// A tag and its value.
    Tagged,
}

fn variant(name: &'static str, value: Value) -> Value {
    Value::Map(Map::from(vec![(name.into(), value)]))
}

macro_rules! integers {
    ($($method:ident: $t:ty),*) => {$(
        fn $method(self, n: $t) -> Result<Value, EncodeError> {
            Ok(Value::Integer(n.into()))
        }
    )*};
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = EncodeError;
    type SerializeSeq = ListSer;
    type SerializeTuple = ListSer;
    type SerializeTupleStruct = ListSer;
    type SerializeTupleVariant = ListSer;
    type SerializeMap = MapSer;
    type SerializeStruct = MapSer;
    type SerializeStructVariant = MapSer;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_i128(self, n: i128) -> Result<Value, EncodeError> {
        Integer::try_from(n)
            .map(Value::Integer)
            .map_err(EncodeError::custom)
    }
    fn serialize_u128(self, n: u128) -> Result<Value, EncodeError> {
        Integer::try_from(n)
            .map(Value::Integer)
            .map_err(EncodeError::custom)
    }
    fn serialize_bool(self, b: bool) -> Result<Value, EncodeError> {
        Ok(Value::Bool(b))
    }
    fn serialize_f32(self, x: f32) -> Result<Value, EncodeError> {
        Ok(Value::Float(x.into()))
    }
    fn serialize_f64(self, x: f64) -> Result<Value, EncodeError> {
        Ok(Value::Float(x))
    }
    fn serialize_char(self, c: char) -> Result<Value, EncodeError> {
        Ok(Value::from(&*c.encode_utf8(&mut [0; 4])))
    }
    fn serialize_str(self, text: &str) -> Result<Value, EncodeError> {
        Ok(Value::Text(Text::from(text)))
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, EncodeError> {
        Ok(bytes::Bytes::copy_from_slice(bytes).into())
    }
    fn serialize_none(self) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, EncodeError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<Value, EncodeError> {
        Ok(Value::Text(Text::from_static(name)))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, EncodeError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Value, EncodeError> {
        match (of, name) {
            (TAG, UNTAGGED) => value.serialize(self),
            (TAG, SIMPLE) => {
                let n = value.serialize(self)?.as_u64();
                let n = n.and_then(|n| u8::try_from(n).ok());
                n.map(Value::Simple)
                    .ok_or_else(|| EncodeError::custom("a simple value is a number up to 255"))
            }
            _ => Ok(variant(name, value.serialize(self.deeper()?)?)),
        }
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<ListSer, EncodeError> {
        self.list(len, Form::Plain)
    }
    fn serialize_tuple(self, len: usize) -> Result<ListSer, EncodeError> {
        self.list(Some(len), Form::Plain)
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ListSer, EncodeError> {
        self.list(Some(len), Form::Plain)
    }
    fn serialize_tuple_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<ListSer, EncodeError> {
        let form = match (of, name) {
            (TAG, TAGGED) => Form::Tagged,
            _ => Form::Variant(name),
        };
        self.list(Some(len), form)
    }
    fn serialize_map(self, len: Option<usize>) -> Result<MapSer, EncodeError> {
        self.pairs(len, Form::Plain)
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<MapSer, EncodeError> {
        self.pairs(Some(len), Form::Plain)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<MapSer, EncodeError> {
        self.pairs(Some(len), Form::Variant(name))
    }
}

/// An array in the making.
pub(crate) struct ListSer {
    items: Vec<Value>,
    form: Form,
    inner: ToValue,
}

impl ListSer {
    pub(crate) fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.items.push(value.serialize(self.inner)?);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Value, EncodeError> {
        match self.form {
            Form::Plain => Ok(self.items.into()),
            Form::Variant(name) => Ok(variant(name, self.items.into())),
            Form::Tagged => {
                let value = self.items.pop().unwrap_or_default();
                match self.items.pop().as_ref().and_then(Value::as_u64) {
                    Some(tag) => Ok(Value::Tag(tag, Box::new(value))),
                    None => Err(EncodeError::custom("a tag is a number up to 2^64-1")),
                }
            }
        }
    }
}

macro_rules! list {
    ($($trait:ident $add:ident),*) => {$(
        impl ser::$trait for ListSer {
            type Ok = Value;
            type Error = EncodeError;
            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.add(value)
            }
            fn end(self) -> Result<Value, EncodeError> {
                self.finish()
            }
        }
    )*};
}

list!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

/// A map in the making.
pub(crate) struct MapSer {
    pairs: Vec<(Value, Value)>,
    /// Of the pair whose value has not come.
    key: Option<Value>,
    form: Form,
    inner: ToValue,
}

impl MapSer {
    /// Adds a field.
    pub(crate) fn add<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let value = value.serialize(self.inner)?;
        self.pairs.push((Text::from_static(name).into(), value));
        Ok(())
    }

    pub(crate) fn finish(self) -> Value {
        let map = Value::Map(Map::from(self.pairs));
        match self.form {
            Form::Variant(name) => variant(name, map),
            _ => map,
        }
    }
}

impl ser::SerializeMap for MapSer {
    type Ok = Value;
    type Error = EncodeError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        match self.key.replace(key.serialize(self.inner)?) {
            Some(_) => Err(incomplete("a key without a value")),
            None => Ok(()),
        }
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let key = self.key.take();
        let key = key.ok_or_else(|| incomplete("a value without a key"))?;
        self.pairs.push((key, value.serialize(self.inner)?));
        Ok(())
    }
    fn end(self) -> Result<Value, EncodeError> {
        match self.key {
            Some(_) => Err(incomplete("a key without a value")),
            None => Ok(self.finish()),
        }
    }
}

/// The error of a type whose own `Serialize` leaves a map incomplete.
fn incomplete(what: &str) -> EncodeError {
    EncodeError::custom(format!("a map has {what}"))
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for MapSer {
            type Ok = Value;
            type Error = EncodeError;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                self.add(name, value)
            }
            fn end(self) -> Result<Value, EncodeError> {
                Ok(self.finish())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);
