//! `Strict`: between a type's `Serialize` and a codec's serializer, it refuses what the codec cannot carry
//! exactly. It knows no paths, so that it costs next to nothing; who was refused finds the path by way of values.

use std::fmt;

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::{Capabilities, EncodeError, Frame, Outgoing};
use crate::Integer;
use crate::message::to_values;
use crate::value::mark::{SIMPLE, TAG, TAGGED, UNTAGGED};

impl Frame<'_> {
    /// Serialises the frame into a codec's `serializer`, refusing what is not in `capabilities` and what nests
    /// too deep. Types that have a form for people and one for machines take the former, as in values.
    ///
    /// # Errors
    /// The serializer's own, or one whose text says nothing: [`refusal`](Self::refusal) tells what was wrong.
    pub fn serialize_within<S: Serializer>(
        &self,
        serializer: S,
        capabilities: &Capabilities,
    ) -> Result<S::Ok, S::Error> {
        self.serialize(Strict {
            inner: serializer,
            capabilities,
            depth: 0,
        })
    }

    /// Why the codec called `codec` could not encode this frame. `otherwise` is the answer where values find
    /// nothing wrong with it.
    pub fn refusal(
        &self,
        capabilities: &Capabilities,
        codec: &str,
        otherwise: impl fmt::Display,
    ) -> EncodeError {
        let checked = match self.body {
            Outgoing::Values(values) => capabilities.check(values, codec),
            Outgoing::Typed(message) => {
                to_values(message).and_then(|values| capabilities.check(&values, codec))
            }
            Outgoing::Wire(wire) => match wire.values() {
                Ok(values) => capabilities.check(&values, codec),
                Err(error) => Err(EncodeError::Serialize(error.to_string())),
            },
        };
        match checked {
            Err(error) => error,
            Ok(()) => EncodeError::Serialize(otherwise.to_string()),
        }
    }
}

struct Strict<'c, S> {
    inner: S,
    capabilities: &'c Capabilities,
    depth: usize,
}

fn refused<E: ser::Error>() -> E {
    E::custom("the codec cannot carry it")
}

impl<'c, S: Serializer> Strict<'c, S> {
    /// Room for `levels` more levels, or a refusal.
    fn deeper(&self, levels: usize) -> Result<Inside<'c>, S::Error> {
        let depth = self.depth + levels;
        if depth > self.capabilities.depth {
            return Err(refused());
        }
        Ok(Inside {
            capabilities: self.capabilities,
            depth,
        })
    }

    fn here(&self) -> Inside<'c> {
        Inside {
            capabilities: self.capabilities,
            depth: self.depth,
        }
    }

    fn integer(self, n: impl TryInto<Integer>) -> Result<S::Ok, S::Error> {
        match n.try_into() {
            Ok(n) if self.capabilities.has_integer(n) => n.serialize(self.inner),
            _ => Err(refused()),
        }
    }
}

/// A place within a message.
#[derive(Clone, Copy)]
struct Inside<'c> {
    capabilities: &'c Capabilities,
    depth: usize,
}

impl<'c> Inside<'c> {
    fn checked<'v, T: ?Sized>(self, value: &'v T) -> Checked<'c, 'v, T> {
        Checked {
            value,
            inside: self,
        }
    }

    fn pairs<C>(self, inner: C) -> Parts<'c, C> {
        Parts {
            inner,
            inside: self,
        }
    }
}

/// A part, to be serialised through `Strict` as well.
struct Checked<'c, 'v, T: ?Sized> {
    value: &'v T,
    inside: Inside<'c>,
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, '_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Strict {
            inner,
            capabilities: self.inside.capabilities,
            depth: self.inside.depth,
        })
    }
}

macro_rules! plain {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        fn $method(self, v: $t) -> Result<S::Ok, S::Error> {
            self.inner.$method(v)
        }
    )*};
}

macro_rules! integers {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        fn $method(self, n: $t) -> Result<S::Ok, S::Error> {
            self.integer(n)
        }
    )*};
}

impl<'c, S: Serializer> Serializer for Strict<'c, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'c, S::SerializeSeq>;
    type SerializeTuple = Parts<'c, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'c, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'c, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'c, S::SerializeMap>;
    type SerializeStruct = Parts<'c, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'c, S::SerializeStructVariant>;

    plain!(
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_unit_struct: &'static str,
        // No codec with messages of other peers lacks these.
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
    );

    integers!(serialize_i64: i64, serialize_u64: u64, serialize_i128: i128, serialize_u128: u128);

    fn serialize_f32(self, x: f32) -> Result<S::Ok, S::Error> {
        self.serialize_f64(x.into())
    }
    fn serialize_f64(self, x: f64) -> Result<S::Ok, S::Error> {
        if x.is_finite() || self.capabilities.non_finite {
            self.inner.serialize_f64(x)
        } else {
            Err(refused())
        }
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        if self.capabilities.bytes {
            self.inner.serialize_bytes(bytes)
        } else {
            Err(refused())
        }
    }
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.here().checked(value);
        self.inner.serialize_some(&value)
    }
    fn serialize_unit_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(of, index, name)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.here().checked(value);
        self.inner.serialize_newtype_struct(name, &value)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        match (of, name) {
            (TAG, UNTAGGED) => value.serialize(self),
            (TAG, SIMPLE) if !self.capabilities.simple => Err(refused()),
            (TAG, SIMPLE) => self.inner.serialize_newtype_variant(of, index, name, value),
            _ => {
                let value = self.deeper(1)?.checked(value);
                self.inner
                    .serialize_newtype_variant(of, index, name, &value)
            }
        }
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let inside = self.deeper(1)?;
        Ok(inside.pairs(self.inner.serialize_seq(len)?))
    }
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let inside = self.deeper(1)?;
        Ok(inside.pairs(self.inner.serialize_tuple(len)?))
    }
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let inside = self.deeper(1)?;
        Ok(inside.pairs(self.inner.serialize_tuple_struct(name, len)?))
    }
    fn serialize_tuple_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let inside = match (of, name) {
            (TAG, TAGGED) if self.capabilities.tags => self.deeper(1)?,
            (TAG, TAGGED) => return Err(refused()),
            // An array in a map of one pair.
            _ => self.deeper(2)?,
        };
        let inner = self.inner.serialize_tuple_variant(of, index, name, len)?;
        Ok(inside.pairs(inner))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let inside = self.deeper(1)?;
        Ok(inside.pairs(self.inner.serialize_map(len)?))
    }
    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let inside = self.deeper(1)?;
        Ok(inside.pairs(self.inner.serialize_struct(name, len)?))
    }
    fn serialize_struct_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let inside = self.deeper(2)?;
        let inner = self.inner.serialize_struct_variant(of, index, name, len)?;
        Ok(inside.pairs(inner))
    }
    fn is_human_readable(&self) -> bool {
        true
    }
}

/// The parts of an array, a map or a struct.
struct Parts<'c, C> {
    inner: C,
    inside: Inside<'c>,
}

macro_rules! elements {
    ($($trait:ident $add:ident),*) => {$(
        impl<C: ser::$trait> ser::$trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;
            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.$add(&self.inside.checked(value))
            }
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl<C: ser::$trait> ser::$trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.inner.serialize_field(name, &self.inside.checked(value))
            }
            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl<C: ser::SerializeMap> ser::SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        if !self.inside.capabilities.any_keys {
            key.serialize(IsText).map_err(|_| refused::<C::Error>())?;
        }
        self.inner.serialize_key(&self.inside.checked(key))
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&self.inside.checked(value))
    }
    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

/// Serialises nothing; fails for whatever is not written as a text.
struct IsText;

macro_rules! no_text {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        fn $method(self, _: $t) -> Result<(), fmt::Error> {
            Err(fmt::Error)
        }
    )*};
}

type NoText = Impossible<(), fmt::Error>;

impl Serializer for IsText {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = NoText;
    type SerializeTuple = NoText;
    type SerializeTupleStruct = NoText;
    type SerializeTupleVariant = NoText;
    type SerializeMap = NoText;
    type SerializeStruct = NoText;
    type SerializeStructVariant = NoText;

    no_text!(
        serialize_bool: bool, serialize_bytes: &[u8], serialize_unit_struct: &'static str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_i128: i128, serialize_u128: u128, serialize_f32: f32, serialize_f64: f64,
    );

    fn serialize_str(self, _: &str) -> Result<(), fmt::Error> {
        Ok(())
    }
    fn serialize_char(self, _: char) -> Result<(), fmt::Error> {
        Ok(())
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<(), fmt::Error> {
        Ok(())
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<(), fmt::Error> {
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), fmt::Error> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        value.serialize(self)
    }
    fn serialize_none(self) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_unit(self) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<NoText, fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_tuple(self, _: usize) -> Result<NoText, fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<NoText, fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<NoText, fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<NoText, fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<NoText, fmt::Error> {
        Err(fmt::Error)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<NoText, fmt::Error> {
        Err(fmt::Error)
    }
}
