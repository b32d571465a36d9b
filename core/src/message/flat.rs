//! The flat form of Rust values in messages, on the way out.

use serde::ser::{self, Impossible, Serialize, SerializeSeq, Serializer};

use super::Values;
use crate::PortId;
use crate::Value;
use crate::codec::{EncodeError, Frame, Outgoing};
use crate::value::mark::TAG;
use crate::value::{MAX_RESERVE, ToValue};

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
/// use aemp_core::message::to_values;
/// #[derive(serde::Serialize)]
/// enum Request { Add(i64, i64), Stop }
/// assert_eq!(to_values(&Request::Add(1, 2))?, to_values(&("Add", 1, 2))?);
/// assert_eq!(to_values(&Request::Stop)?, to_values("Stop")?);
/// # Ok::<(), aemp_core::codec::EncodeError>(())
/// ```
pub fn to_values<T: Serialize + ?Sized>(message: &T) -> Result<Values, EncodeError> {
    message.serialize(Flat {
        inner: Elements,
        port: None,
        reply: None,
        whole: &message,
    })
}

/// One flat array: the port's name, the message's elements, the port ID for the reply.
impl Serialize for Frame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let received;
        let values: &[Value] = match self.body {
            Outgoing::Values(values) => values,
            Outgoing::Wire(wire) => {
                received = wire.values().map_err(ser::Error::custom)?;
                &received
            }
            Outgoing::Typed(message) => {
                return message.serialize(Flat {
                    inner: serializer,
                    port: Some(self.port),
                    reply: self.reply,
                    whole: message,
                });
            }
        };
        let len = 1 + values.len() + usize::from(self.reply.is_some());
        let mut seq = serializer.serialize_seq(Some(len))?;
        seq.serialize_element(self.port)?;
        for value in values {
            seq.serialize_element(value)?;
        }
        finish(seq, self.reply)
    }
}

fn finish<S: SerializeSeq>(mut seq: S, reply: Option<&PortId>) -> Result<S::Ok, S::Error> {
    if let Some(reply) = reply {
        seq.serialize_element(reply)?;
    }
    seq.end()
}

/// Serialises a message as one array of `inner`: the port, the message's elements, the reply.
struct Flat<'a, S> {
    inner: S,
    port: Option<&'a str>,
    reply: Option<&'a PortId>,
    /// What is being serialised, for the cases where it turns out to be one element.
    whole: &'a dyn erased_serde::Serialize,
}

impl<'a, S: Serializer> Flat<'a, S> {
    /// Opens the array, for `len` elements besides the port and the reply.
    fn open(self, len: Option<usize>) -> Result<FlatSeq<'a, S>, S::Error> {
        let extra = usize::from(self.port.is_some()) + usize::from(self.reply.is_some());
        let mut seq = self.inner.serialize_seq(len.map(|len| len + extra))?;
        if let Some(port) = self.port {
            seq.serialize_element(port)?;
        }
        Ok(FlatSeq::Open(seq, self.reply))
    }

    fn one<T: Serialize + ?Sized>(self, element: &T) -> Result<S::Ok, S::Error> {
        let mut seq = self.open(Some(1))?;
        seq.add(element)?;
        seq.finish()
    }

    fn two<T: Serialize + ?Sized>(self, tag: &str, element: &T) -> Result<S::Ok, S::Error> {
        let mut seq = self.open(Some(2))?;
        seq.add(tag)?;
        seq.add(element)?;
        seq.finish()
    }

    /// Serialises the whole value as one element. Its parts, which serde hands over next, are passed over.
    fn whole(self) -> Result<FlatSeq<'a, S>, S::Error> {
        let whole = self.whole;
        self.one(whole).map(FlatSeq::Done)
    }
}

/// The array of a message in the making.
enum FlatSeq<'a, S: Serializer> {
    Open(S::SerializeSeq, Option<&'a PortId>),
    /// All was said already; what follows is passed over.
    Done(S::Ok),
}

impl<S: Serializer> FlatSeq<'_, S> {
    fn add<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), S::Error> {
        match self {
            Self::Open(seq, _) => seq.serialize_element(element),
            Self::Done(_) => Ok(()),
        }
    }

    fn finish(self) -> Result<S::Ok, S::Error> {
        match self {
            Self::Open(seq, reply) => finish(seq, reply),
            Self::Done(ok) => Ok(ok),
        }
    }
}

macro_rules! scalars {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        fn $method(self, v: $t) -> Result<S::Ok, S::Error> {
            self.one(&v)
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Flat<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = FlatSeq<'a, S>;
    type SerializeTuple = FlatSeq<'a, S>;
    type SerializeTupleStruct = FlatSeq<'a, S>;
    type SerializeTupleVariant = FlatSeq<'a, S>;
    type SerializeMap = FlatSeq<'a, S>;
    type SerializeStruct = FlatSeq<'a, S>;
    type SerializeStructVariant = FlatSeq<'a, S>;

    scalars!(
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
    );

    fn serialize_bytes(self, _: &[u8]) -> Result<S::Ok, S::Error> {
        let whole = self.whole;
        self.one(whole)
    }
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.one(&())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.serialize_newtype_struct("", value)
    }
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.open(Some(0))?.finish()
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<S::Ok, S::Error> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.one(name)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(Flat {
            inner: self.inner,
            port: self.port,
            reply: self.reply,
            whole: &value,
        })
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        if of == TAG {
            let whole = self.whole;
            return self.one(whole);
        }
        self.two(name, value)
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<FlatSeq<'a, S>, S::Error> {
        self.open(len)
    }
    fn serialize_tuple(self, len: usize) -> Result<FlatSeq<'a, S>, S::Error> {
        self.open(Some(len))
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<FlatSeq<'a, S>, S::Error> {
        self.open(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<FlatSeq<'a, S>, S::Error> {
        if of == TAG {
            return self.whole();
        }
        let mut seq = self.open(Some(1 + len))?;
        seq.add(name)?;
        Ok(seq)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<FlatSeq<'a, S>, S::Error> {
        self.whole()
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<FlatSeq<'a, S>, S::Error> {
        self.whole()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<FlatSeq<'a, S>, S::Error> {
        let fields = Fields(self.whole);
        self.two(name, &fields).map(FlatSeq::Done)
    }
}

macro_rules! elements {
    ($($trait:ident $add:ident),*) => {$(
        impl<S: Serializer> ser::$trait for FlatSeq<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;
            fn $add<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), S::Error> {
                self.add(element)
            }
            fn end(self) -> Result<S::Ok, S::Error> {
                self.finish()
            }
        }
    )*};
}

elements!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

impl<S: Serializer> ser::SerializeMap for FlatSeq<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), S::Error> {
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), S::Error> {
        Ok(())
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        self.finish()
    }
}

macro_rules! passed_over {
    ($($trait:ident),*) => {$(
        impl<S: Serializer> ser::$trait for FlatSeq<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                _: &T,
            ) -> Result<(), S::Error> {
                Ok(())
            }
            fn end(self) -> Result<S::Ok, S::Error> {
                self.finish()
            }
        }
    )*};
}

passed_over!(SerializeStruct, SerializeStructVariant);

/// A serializer with one method that does something, for a caller who knows which will be called.
macro_rules! no_scalars {
    () => {
        no_scalars!(@ serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
            serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
            serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
            serialize_f32: f32, serialize_f64: f64, serialize_unit_struct: &'static str);
        fn serialize_none(self) -> Result<Self::Ok, Self::Error> {
            Err(changed())
        }
        fn serialize_unit(self) -> Result<Self::Ok, Self::Error> {
            Err(changed())
        }
        fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Self::Ok, Self::Error> {
            Err(changed())
        }
        fn serialize_unit_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
        ) -> Result<Self::Ok, Self::Error> {
            Err(changed())
        }
        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            Err(changed())
        }
        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            Err(changed())
        }
        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Self::Error> {
            Err(changed())
        }
        fn serialize_tuple_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleStruct, Self::Error> {
            Err(changed())
        }
        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant, Self::Error> {
            Err(changed())
        }
        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Self::Error> {
            Err(changed())
        }
        fn serialize_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStruct, Self::Error> {
            Err(changed())
        }
    };
    (@ $($method:ident: $t:ty),*) => {$(
        fn $method(self, _: $t) -> Result<Self::Ok, Self::Error> {
            Err(changed())
        }
    )*};
}

fn changed<E: ser::Error>() -> E {
    E::custom("a type serialised itself in two ways")
}

/// The fields of an enum's struct variant as a map.
struct Fields<'a>(&'a dyn erased_serde::Serialize);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(AsStruct(serializer))
    }
}

struct AsStruct<S>(S);

impl<S: Serializer> Serializer for AsStruct<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Impossible<S::Ok, S::Error>;
    type SerializeTuple = Impossible<S::Ok, S::Error>;
    type SerializeTupleStruct = Impossible<S::Ok, S::Error>;
    type SerializeTupleVariant = Impossible<S::Ok, S::Error>;
    type SerializeMap = Impossible<S::Ok, S::Error>;
    type SerializeStruct = Impossible<S::Ok, S::Error>;
    type SerializeStructVariant = StructFields<S::SerializeStruct>;

    no_scalars!();

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Err(changed())
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct(name, len).map(StructFields)
    }
}

struct StructFields<S>(S);

impl<S: ser::SerializeStruct> ser::SerializeStructVariant for StructFields<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.0.serialize_field(name, value)
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

/// Collects the one array that `Flat` makes.
struct Elements;

impl Serializer for Elements {
    type Ok = Values;
    type Error = EncodeError;
    type SerializeSeq = Collected;
    type SerializeTuple = Impossible<Values, EncodeError>;
    type SerializeTupleStruct = Impossible<Values, EncodeError>;
    type SerializeTupleVariant = Impossible<Values, EncodeError>;
    type SerializeMap = Impossible<Values, EncodeError>;
    type SerializeStruct = Impossible<Values, EncodeError>;
    type SerializeStructVariant = Impossible<Values, EncodeError>;

    no_scalars!();

    fn serialize_seq(self, len: Option<usize>) -> Result<Collected, EncodeError> {
        let len = len.unwrap_or(0).min(MAX_RESERVE);
        Ok(Collected(Vec::with_capacity(len)))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        Err(changed())
    }
}

struct Collected(Vec<Value>);

impl SerializeSeq for Collected {
    type Ok = Values;
    type Error = EncodeError;
    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), EncodeError> {
        // The message's own array is one level.
        let value = element.serialize(ToValue { depth: 1 });
        self.0.push(value.map_err(|e| e.in_element(self.0.len()))?);
        Ok(())
    }
    #[inline]
    fn end(self) -> Result<Values, EncodeError> {
        Ok(self.0.into())
    }
}

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
