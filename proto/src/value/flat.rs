//! The flat form of Rust values in messages, on the way to values. On the way to bytes it is
//! `Writer` in the room `token` that knows it.

use serde::ser::{self, Serialize, Serializer};

use super::mark::TAG;
use super::ser::{ListSer, MAX_RESERVE, MapSer, ToValue};
use super::{EncodeError, Value, Values};

/// The elements of the message that `message` stands for:
///
/// | Rust | elements |
/// | --- | --- |
/// | tuple, sequence, tuple struct | its elements |
/// | `()`, unit struct | none |
/// | enum: unit variant | `"Tag"` |
/// | newtype variant | `"Tag"`, its content |
/// | tuple variant | `"Tag"`, its elements |
/// | struct variant | `"Tag"`, a map of its fields |
/// | `Option`, newtype struct | as what they hold; `None` is a null |
/// | anything else: scalar, map, struct | one element |
///
/// # Errors
/// As [`to_value`](crate::value::to_value); the error says in which element.
///
/// ```
/// use aemp_proto::value::to_values;
/// #[derive(serde::Serialize)]
/// enum Request { Add(i64, i64), Stop }
/// assert_eq!(to_values(&Request::Add(1, 2))?, to_values(&("Add", 1, 2))?);
/// assert_eq!(to_values(&Request::Stop)?, to_values("Stop")?);
/// # Ok::<(), aemp_proto::value::EncodeError>(())
/// ```
pub fn to_values<T: Serialize + ?Sized>(message: &T) -> Result<Values, EncodeError> {
    message.serialize(Flat)
}

/// Makes the elements of a message out of a value.
struct Flat;

/// For an element; the message's own array is one level.
const ELEMENT: ToValue = ToValue { depth: 1 };

/// A message of one element.
fn one(element: Result<Value, EncodeError>) -> Result<Values, EncodeError> {
    let element = element.map_err(|e| e.in_element(0))?;
    Ok(Values::from_iter([element]))
}

macro_rules! scalars {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        #[inline]
        fn $method(self, v: $t) -> Result<Values, EncodeError> {
            one(ELEMENT.$method(v))
        }
    )*};
}

impl Serializer for Flat {
    type Ok = Values;
    type Error = EncodeError;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = ElementsOrOne;
    type SerializeMap = AfterTag;
    type SerializeStruct = AfterTag;
    type SerializeStructVariant = AfterTag;

    scalars!(
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
    );

    fn serialize_none(self) -> Result<Values, EncodeError> {
        one(ELEMENT.serialize_none())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Values, EncodeError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Values, EncodeError> {
        Ok(Values::new())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Values, EncodeError> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
    ) -> Result<Values, EncodeError> {
        one(ELEMENT.serialize_unit_variant(of, index, name))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Values, EncodeError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Values, EncodeError> {
        if of == TAG {
            return one(ELEMENT.serialize_newtype_variant(of, index, name, value));
        }
        let content = value.serialize(ELEMENT).map_err(|e| e.in_element(1))?;
        Ok(Values::from_iter([Value::from(name), content]))
    }
    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Elements, EncodeError> {
        let len = len.unwrap_or(0).min(MAX_RESERVE);
        Ok(Elements(Vec::with_capacity(len)))
    }
    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Elements, EncodeError> {
        self.serialize_seq(Some(len))
    }
    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Elements, EncodeError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        len: usize,
    ) -> Result<ElementsOrOne, EncodeError> {
        if of == TAG {
            let tagged = ELEMENT.serialize_tuple_variant(of, index, name, len)?;
            return Ok(ElementsOrOne::One(tagged));
        }
        let mut elements = self.serialize_seq(Some(1 + len))?;
        elements.0.push(Value::from(name));
        Ok(ElementsOrOne::Elements(elements))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<AfterTag, EncodeError> {
        let map = ELEMENT.serialize_map(len)?;
        Ok(AfterTag { tag: None, map })
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<AfterTag, EncodeError> {
        self.serialize_map(Some(len))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<AfterTag, EncodeError> {
        let map = ELEMENT.serialize_map(Some(len))?;
        let tag = Some(name);
        Ok(AfterTag { tag, map })
    }
}

/// The elements of a message in the making.
struct Elements(Vec<Value>);

impl Elements {
    #[inline]
    fn add<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), EncodeError> {
        let value = element.serialize(ELEMENT);
        self.0.push(value.map_err(|e| e.in_element(self.0.len()))?);
        Ok(())
    }

    #[inline]
    fn finish(self) -> Result<Values, EncodeError> {
        Ok(self.0.into())
    }
}

/// The same, or the one element that is a tag and its value.
enum ElementsOrOne {
    Elements(Elements),
    One(ListSer),
}

impl ElementsOrOne {
    fn add<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), EncodeError> {
        match self {
            Self::Elements(elements) => elements.add(element),
            Self::One(tagged) => tagged.add(element).map_err(|e| e.in_element(0)),
        }
    }

    fn finish(self) -> Result<Values, EncodeError> {
        match self {
            Self::Elements(elements) => elements.finish(),
            Self::One(tagged) => one(tagged.finish()),
        }
    }
}

macro_rules! elements {
    ($($of:ty: $trait:ident $add:ident),* $(,)?) => {$(
        impl ser::$trait for $of {
            type Ok = Values;
            type Error = EncodeError;
            #[inline]
            fn $add<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), EncodeError> {
                self.add(element)
            }
            #[inline]
            fn end(self) -> Result<Values, EncodeError> {
                self.finish()
            }
        }
    )*};
}

elements!(
    Elements: SerializeSeq serialize_element,
    Elements: SerializeTuple serialize_element,
    Elements: SerializeTupleStruct serialize_field,
    ElementsOrOne: SerializeTupleVariant serialize_field,
);

/// A map that is the last element of a message, alone or behind a tag.
struct AfterTag {
    tag: Option<&'static str>,
    map: MapSer,
}

impl AfterTag {
    fn fault(&self) -> impl Fn(EncodeError) -> EncodeError + use<> {
        let at = usize::from(self.tag.is_some());
        move |error| error.in_element(at)
    }

    fn finish(self) -> Result<Values, EncodeError> {
        let map = self.map.finish();
        Ok(match self.tag {
            Some(tag) => Values::from_iter([Value::from(tag), map]),
            None => Values::from_iter([map]),
        })
    }
}

impl ser::SerializeMap for AfterTag {
    type Ok = Values;
    type Error = EncodeError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        let fault = self.fault();
        self.map.serialize_key(key).map_err(fault)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let fault = self.fault();
        self.map.serialize_value(value).map_err(fault)
    }
    fn end(self) -> Result<Values, EncodeError> {
        self.finish()
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for AfterTag {
            type Ok = Values;
            type Error = EncodeError;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                let fault = self.fault();
                self.map.add(name, value).map_err(fault)
            }
            fn end(self) -> Result<Values, EncodeError> {
                self.finish()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl EncodeError {
    /// The same error, known to be in element `at`.
    fn in_element(self, at: usize) -> Self {
        match self {
            Self::TooDeep { limit, .. } => Self::TooDeep {
                path: at.to_string(),
                limit,
            },
            Self::Serialize(what) => Self::Serialize(format!("element {at}: {what}")),
            other => other,
        }
    }
}

impl ser::Error for EncodeError {
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        Self::Serialize(what.to_string())
    }
}
