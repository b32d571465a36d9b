//! The serializer of messages: writes the flat form of every type, by the table at [`to_values`](super::to_values), into a
//! [`Target`]. `builder` has the target that builds values, the room `token` the one that writes a codec's bytes.

use std::fmt::Display;

use serde::ser::{self, Error as _, Serialize, Serializer};

use super::Integer;
use super::mark::{SIMPLE, TAG};
use super::target::{Form, Plain, Target};

/// A place that takes one value, `depth` levels deep: the message itself, or a place in it.
pub(crate) struct Place<'t, T, const MESSAGE: bool> {
    to: &'t mut T,
    depth: usize,
}

/// A place in a message.
pub(crate) type Inner<'t, T> = Place<'t, T, false>;

type Built<T> = Result<<T as Target>::Built, <T as Target>::Error>;

impl<'t, T: Target> Place<'t, T, true> {
    /// The message.
    #[inline]
    pub(crate) fn message(to: &'t mut T) -> Self {
        Self { to, depth: 0 }
    }
}

impl<'t, T: Target> Inner<'t, T> {
    /// A place `depth` levels deep.
    #[inline]
    pub(crate) fn inner(to: &'t mut T, depth: usize) -> Self {
        Self { to, depth }
    }

    #[inline(always)]
    fn reborrow(&mut self) -> Inner<'_, T> {
        Place::inner(self.to, self.depth)
    }
}

impl<'t, T: Target, const MESSAGE: bool> Place<'t, T, MESSAGE> {
    /// This place, or the place of the only element if this is the message.
    #[inline(always)]
    fn element(self) -> Inner<'t, T> {
        if MESSAGE {
            self.to.one();
        }
        Place::inner(self.to, self.depth + usize::from(MESSAGE))
    }

    #[inline(always)]
    fn scalar(self, scalar: Plain<'_>) -> Built<T> {
        self.element().to.scalar(scalar)
    }

    #[inline(always)]
    fn integer<N>(self, n: N) -> Built<T>
    where
        N: TryInto<Integer, Error: Display>,
    {
        let place = self.element();
        let n = n.try_into().map_err(T::Error::custom)?;
        place.to.scalar(Plain::Integer(n))
    }

    /// Enters one more level.
    #[inline(always)]
    fn deeper(&mut self) -> Result<(), T::Error> {
        if self.depth >= self.to.limit() {
            return Err(self.to.too_deep());
        }
        self.depth += 1;
        Ok(())
    }

    #[inline(always)]
    fn array(mut self, form: Form, len: Option<usize>) -> Result<Array<'t, T>, T::Error> {
        self.deeper()?;
        Ok(Array {
            items: self.to.array(form, len),
            place: Place::inner(self.to, self.depth),
            form,
        })
    }

    /// An array; the message's, if this is the message.
    #[inline(always)]
    fn list(self, len: Option<usize>) -> Result<Array<'t, T>, T::Error> {
        match MESSAGE {
            true => self.array(Form::Message, len),
            false => self.array(Form::Plain, len),
        }
    }

    /// The message that begins with the name of a variant, which `len` elements follow.
    fn variant(self, name: &'static str, len: usize) -> Result<Array<'t, T>, T::Error> {
        let mut message = self.list(Some(1 + len))?;
        T::push(&mut message.items, message.place.to.name(name)?);
        Ok(message)
    }

    #[inline(always)]
    fn map(mut self, form: Form, len: Option<usize>) -> Result<Map<'t, T>, T::Error> {
        self.deeper()?;
        Ok(Map {
            pairs: self.to.map(form, len),
            place: Place::inner(self.to, self.depth),
            form,
            key: None,
        })
    }

    /// The place of a tag or a simple value. It is never the message, but an element of it.
    fn rare(self) -> Result<Inner<'t, T>, T::Error> {
        match T::RARE {
            true => Ok(self.element()),
            false => Err(T::Error::custom("a tag or a simple value")),
        }
    }
}

macro_rules! integers {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        #[inline]
        fn $method(self, n: $t) -> Built<T> {
            self.integer(n)
        }
    )*};
}

impl<'t, T: Target, const MESSAGE: bool> Serializer for Place<'t, T, MESSAGE> {
    type Ok = T::Built;
    type Error = T::Error;
    type SerializeSeq = Array<'t, T>;
    type SerializeTuple = Array<'t, T>;
    type SerializeTupleStruct = Array<'t, T>;
    type SerializeTupleVariant = Array<'t, T>;
    type SerializeMap = Map<'t, T>;
    type SerializeStruct = Map<'t, T>;
    type SerializeStructVariant = Map<'t, T>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    );

    #[inline]
    fn serialize_bool(self, b: bool) -> Built<T> {
        self.scalar(Plain::Bool(b))
    }
    #[inline]
    fn serialize_f32(self, x: f32) -> Built<T> {
        self.serialize_f64(x.into())
    }
    #[inline]
    fn serialize_f64(self, x: f64) -> Built<T> {
        self.scalar(Plain::Float(x))
    }
    #[inline]
    fn serialize_char(self, c: char) -> Built<T> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }
    #[inline]
    fn serialize_str(self, text: &str) -> Built<T> {
        self.scalar(Plain::Text(text))
    }
    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Built<T> {
        self.scalar(Plain::Bytes(bytes))
    }
    #[inline]
    fn serialize_none(self) -> Built<T> {
        self.scalar(Plain::Null)
    }
    #[inline]
    fn serialize_some<S: Serialize + ?Sized>(self, value: &S) -> Built<T> {
        value.serialize(self)
    }
    #[inline]
    fn serialize_unit(self) -> Built<T> {
        match MESSAGE {
            true => self.list(Some(0))?.finish(),
            false => self.scalar(Plain::Null),
        }
    }
    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Built<T> {
        self.serialize_unit()
    }
    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Built<T> {
        self.element().to.name(name)
    }
    #[inline]
    fn serialize_newtype_struct<S: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &S,
    ) -> Built<T> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<S: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &S,
    ) -> Built<T> {
        if of == TAG {
            let mut place = self.rare()?;
            let content = value.serialize(place.reborrow())?;
            return match name {
                SIMPLE => place.to.simple(content),
                _ => Ok(content),
            };
        }
        if MESSAGE {
            let mut message = self.variant(name, 1)?;
            message.push(value)?;
            return message.finish();
        }
        let mut pair = self.map(Form::Plain, Some(1))?;
        pair.field(name, value)?;
        pair.finish()
    }
    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Array<'t, T>, T::Error> {
        self.list(len)
    }
    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Array<'t, T>, T::Error> {
        self.list(Some(len))
    }
    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Array<'t, T>, T::Error> {
        self.list(Some(len))
    }
    fn serialize_tuple_variant(
        mut self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Array<'t, T>, T::Error> {
        if of == TAG {
            return self.rare()?.array(Form::Tagged, Some(len));
        }
        if MESSAGE {
            return self.variant(name, len);
        }
        self.deeper()?;
        self.array(Form::Variant(name), Some(len))
    }
    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Map<'t, T>, T::Error> {
        self.element().map(Form::Plain, len)
    }
    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Map<'t, T>, T::Error> {
        self.serialize_map(Some(len))
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Map<'t, T>, T::Error> {
        if MESSAGE {
            self.depth = 1;
            return self.map(Form::AfterName(name), Some(len));
        }
        self.deeper()?;
        self.map(Form::Variant(name), Some(len))
    }
}

/// An array that has begun.
pub(crate) struct Array<'t, T: Target> {
    /// The place of each element.
    place: Inner<'t, T>,
    items: T::Items,
    form: Form,
}

impl<T: Target> Array<'_, T> {
    #[inline(always)]
    fn push<S: Serialize + ?Sized>(&mut self, value: &S) -> Result<(), T::Error> {
        match value.serialize(self.place.reborrow()) {
            Ok(item) => T::push(&mut self.items, item),
            Err(error) => return Err(located::<T>(error, self.form, T::count(&self.items))),
        }
        Ok(())
    }

    #[inline(always)]
    fn finish(self) -> Built<T> {
        self.place.to.end_array(self.items, self.form)
    }
}

/// A map that has begun.
pub(crate) struct Map<'t, T: Target> {
    /// The place of each key and each value.
    place: Inner<'t, T>,
    pairs: T::Pairs,
    form: Form,
    /// The key whose value has not come yet.
    key: Option<T::Built>,
}

impl<T: Target> Map<'_, T> {
    #[inline(always)]
    fn field<S>(&mut self, name: &'static str, value: &S) -> Result<(), T::Error>
    where
        S: Serialize + ?Sized,
    {
        let key = self.place.to.key(name);
        self.pair(key, value)
    }

    #[inline(always)]
    fn pair<S: Serialize + ?Sized>(&mut self, key: T::Built, value: &S) -> Result<(), T::Error> {
        match value.serialize(self.place.reborrow()) {
            Ok(value) => T::add(&mut self.pairs, key, value),
            Err(error) => return Err(located::<T>(error, self.form, 1)),
        }
        Ok(())
    }

    #[inline(always)]
    fn finish(self) -> Built<T> {
        self.place.to.end_map(self.pairs, self.form)
    }
}

/// Adds to `error`, which occurred in part `at`, the index of the message's element, if the part is one.
#[cold]
fn located<T: Target>(error: T::Error, form: Form, at: usize) -> T::Error {
    match form {
        Form::Message | Form::AfterName(_) => T::in_element(error, at),
        _ => error,
    }
}

/// The error of a type whose own `Serialize` leaves a map incomplete.
#[cold]
fn incomplete<E: ser::Error>(what: &str) -> E {
    E::custom(format_args!("a map has {what}"))
}

macro_rules! arrays {
    ($($trait:ident $push:ident),*) => {$(
        impl<T: Target> ser::$trait for Array<'_, T> {
            type Ok = T::Built;
            type Error = T::Error;
            #[inline]
            fn $push<S: Serialize + ?Sized>(&mut self, value: &S) -> Result<(), T::Error> {
                self.push(value)
            }
            #[inline(always)]
            fn end(self) -> Built<T> {
                self.finish()
            }
        }
    )*};
}

arrays!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

macro_rules! structs {
    ($($trait:ident),*) => {$(
        impl<T: Target> ser::$trait for Map<'_, T> {
            type Ok = T::Built;
            type Error = T::Error;
            #[inline]
            fn serialize_field<S>(&mut self, name: &'static str, value: &S) -> Result<(), T::Error>
            where
                S: Serialize + ?Sized,
            {
                self.field(name, value)
            }
            #[inline(always)]
            fn end(self) -> Built<T> {
                self.finish()
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

impl<T: Target> ser::SerializeMap for Map<'_, T> {
    type Ok = T::Built;
    type Error = T::Error;
    fn serialize_key<S: Serialize + ?Sized>(&mut self, key: &S) -> Result<(), T::Error> {
        let key = self.place.to.any_key(key, self.place.depth)?;
        match self.key.replace(key) {
            Some(_) => Err(incomplete("a key without a value")),
            None => Ok(()),
        }
    }
    fn serialize_value<S: Serialize + ?Sized>(&mut self, value: &S) -> Result<(), T::Error> {
        match self.key.take() {
            Some(key) => self.pair(key, value),
            None => Err(incomplete("a value without a key")),
        }
    }
    // Quicker than the two calls: the key is not stored in between.
    fn serialize_entry<K, V>(&mut self, key: &K, value: &V) -> Result<(), T::Error>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        if self.key.is_some() {
            return Err(incomplete("a key without a value"));
        }
        let key = self.place.to.any_key(key, self.place.depth)?;
        self.pair(key, value)
    }
    #[inline(always)]
    fn end(self) -> Built<T> {
        match self.key {
            Some(_) => Err(incomplete("a key without a value")),
            None => self.finish(),
        }
    }
}
