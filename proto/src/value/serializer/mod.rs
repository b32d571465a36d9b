//! The serializer of messages: writes the flat form of every type, by the table at [`to_values`](super::to_values),
//! into a [`Target`]. `builder` has the target that builds values, the room `token` the one that writes a codec's
//! bytes.

mod compound;
mod level;

use std::fmt::Display;
use std::marker::PhantomData;

use serde::ser::{Error as _, Serialize, Serializer};

use super::Integer;
use super::mark::{SIMPLE, TAG, UNTAGGED, is_marker};
use super::target::{Form, Plain, Target};
use compound::{Array, Element, Fields, Map, Shape};
use level::{Inner, Key, Level, Message, Optional};

/// The error for the content of a `Some` that is read as `None`.
pub(crate) const NULL_IN_SOME: &str =
    "a Some whose content is null, such as Some(None) or Some(()): it would arrive as None";

/// The error for what serde makes of a tag or a simple value inside an internally tagged enum, or flattened.
const MARKER_AS_KEY: &str = "a tag or a simple value flattened or in an internally tagged enum, where serde makes a map of it";

/// A place that takes one value, `depth` levels deep: the message itself, or a place in it.
pub(crate) struct Place<'t, T, L> {
    to: &'t mut T,
    depth: usize,
    level: PhantomData<L>,
}

type Built<T, L> = Result<<L as Level>::Built<T>, <T as Target>::Error>;

impl<'t, T: Target> Place<'t, T, Message> {
    /// The message.
    #[inline]
    pub(crate) fn message(to: &'t mut T) -> Self {
        Place::new(to, 0)
    }
}

impl<'t, T: Target> Place<'t, T, Inner> {
    /// A place `depth` levels deep.
    #[inline]
    pub(crate) fn inner(to: &'t mut T, depth: usize) -> Self {
        Place::new(to, depth)
    }

    /// The key of a map whose keys and values are `depth` levels deep.
    #[inline]
    pub(crate) fn key(to: &'t mut T, depth: usize) -> Place<'t, T, Key> {
        Place::new(to, depth)
    }

    #[inline]
    fn reborrow(&mut self) -> Place<'_, T, Inner> {
        Place::new(self.to, self.depth)
    }
}

impl<'t, T: Target, L: Level> Place<'t, T, L> {
    #[inline]
    fn new(to: &'t mut T, depth: usize) -> Self {
        Self {
            to,
            depth,
            level: PhantomData,
        }
    }

    /// This place, or the place of the only element if this is the message.
    #[inline]
    fn element<In: Level>(mut self) -> Place<'t, T, In> {
        self.enter_element();
        Place::new(self.to, self.depth)
    }

    /// Enters the place of the only element if this is the message. The value is an element, whatever it is.
    #[inline]
    fn enter_element(&mut self) {
        if L::MESSAGE {
            self.to.one();
            self.depth += 1;
        }
    }

    #[inline]
    fn null(self) -> Built<T, L> {
        match L::OPTIONAL {
            true => L::only::<T>(Err(T::Error::custom(NULL_IN_SOME))),
            false => self.scalar(Plain::Null),
        }
    }

    #[inline]
    fn scalar(self, scalar: Plain<'_>) -> Built<T, L> {
        L::only::<T>(self.element::<Inner>().to.scalar(scalar))
    }

    #[inline]
    fn integer<N>(self, n: N) -> Built<T, L>
    where
        N: TryInto<Integer, Error: Display>,
    {
        let place = self.element::<Inner>();
        L::only::<T>(match n.try_into() {
            Ok(n) => place.to.scalar(Plain::Integer(n)),
            Err(error) => Err(T::Error::custom(error)),
        })
    }

    /// Enters one more level.
    #[inline]
    fn deeper(&mut self) -> Result<(), T::Error> {
        if self.depth >= self.to.limit() {
            return Err(self.to.too_deep());
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn array<F: Shape>(
        mut self,
        form: F,
        len: Option<usize>,
    ) -> Result<Array<'t, T, L, F>, T::Error> {
        self.deeper()?;
        Ok(Array {
            items: self.to.array(form.form::<L>(), len),
            place: Place::new(self.to, self.depth),
            form,
            level: PhantomData,
        })
    }

    /// The message that begins with the name of a variant, which `len` elements follow.
    fn variant(self, name: &'static str, len: usize) -> Result<Array<'t, T, L, Form>, T::Error> {
        let mut message = self.array(Form::Message, Some(1 + len))?;
        T::push(&mut message.items, message.place.to.name(name)?);
        Ok(message)
    }

    #[inline]
    fn map(mut self, form: Form, len: Option<usize>) -> Result<Map<'t, T, L>, T::Error> {
        self.deeper()?;
        Ok(Map {
            pairs: self.to.map(form, len),
            place: Place::new(self.to, self.depth),
            form,
            key: None,
            level: PhantomData,
        })
    }

    /// Begins a tag or a simple value. It is never the message, but an element of it.
    fn rare(&mut self) -> Result<(), T::Error> {
        if !T::RARE {
            return Err(T::Error::custom("a tag or a simple value"));
        }
        self.enter_element();
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        #[inline]
        fn $method(self, n: $t) -> Built<T, L> {
            self.integer(n)
        }
    )*};
}

impl<'t, T: Target, L: Level> Serializer for Place<'t, T, L> {
    type Ok = L::Built<T>;
    type Error = T::Error;
    type SerializeSeq = Array<'t, T, L, Element>;
    type SerializeTuple = Array<'t, T, L, Fields>;
    type SerializeTupleStruct = Array<'t, T, L, Fields>;
    type SerializeTupleVariant = Array<'t, T, L, Form>;
    type SerializeMap = Map<'t, T, L>;
    type SerializeStruct = Map<'t, T, L>;
    type SerializeStructVariant = Map<'t, T, L>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    );

    #[inline]
    fn serialize_bool(self, b: bool) -> Built<T, L> {
        self.scalar(Plain::Bool(b))
    }
    #[inline]
    fn serialize_f32(self, x: f32) -> Built<T, L> {
        self.serialize_f64(x.into())
    }
    #[inline]
    fn serialize_f64(self, x: f64) -> Built<T, L> {
        self.scalar(Plain::Float(x))
    }
    #[inline]
    fn serialize_char(self, c: char) -> Built<T, L> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }
    #[inline]
    fn serialize_str(self, text: &str) -> Built<T, L> {
        if L::KEY && is_marker(text) {
            return L::only::<T>(Err(T::Error::custom(MARKER_AS_KEY)));
        }
        L::only::<T>(self.element::<Inner>().to.text(text))
    }
    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Built<T, L> {
        self.scalar(Plain::Bytes(bytes))
    }
    #[inline]
    fn serialize_none(self) -> Built<T, L> {
        self.null()
    }
    #[inline]
    fn serialize_some<S: Serialize + ?Sized>(self, value: &S) -> Built<T, L> {
        L::only::<T>(value.serialize(self.element::<Optional>()))
    }
    #[inline]
    fn serialize_unit(self) -> Built<T, L> {
        match L::MESSAGE {
            true => self.array(Fields, Some(0))?.finish(),
            false => self.null(),
        }
    }
    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Built<T, L> {
        self.serialize_unit()
    }
    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Built<T, L> {
        L::only::<T>(self.element::<Inner>().to.name(name))
    }
    #[inline]
    fn serialize_newtype_struct<S: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &S,
    ) -> Built<T, L> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<S: Serialize + ?Sized>(
        mut self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &S,
    ) -> Built<T, L> {
        if of == TAG {
            self.rare()?;
            let content = match name {
                // It is what its content is, null too.
                UNTAGGED if L::OPTIONAL => {
                    value.serialize(Place::<T, Optional>::new(self.to, self.depth))
                }
                _ => value.serialize(Place::inner(self.to, self.depth)),
            };
            return L::only::<T>(match name {
                SIMPLE => content.and_then(|number| self.to.simple(number, L::OPTIONAL)),
                _ => content,
            });
        }
        if L::MESSAGE {
            let mut message = self.variant(name, 1)?;
            message.push(value)?;
            return message.finish();
        }
        let mut pair = self.map(Form::Plain, Some(1))?;
        pair.field(name, value)?;
        pair.finish()
    }
    #[inline]
    fn serialize_seq(mut self, len: Option<usize>) -> Result<Array<'t, T, L, Element>, T::Error> {
        self.enter_element();
        self.array(Element, len)
    }
    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Array<'t, T, L, Fields>, T::Error> {
        self.array(Fields, Some(len))
    }
    #[inline]
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<Array<'t, T, L, Fields>, T::Error> {
        self.array(Fields, Some(len))
    }
    fn serialize_tuple_variant(
        mut self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Array<'t, T, L, Form>, T::Error> {
        if of == TAG {
            self.rare()?;
            return self.array(Form::Tagged, Some(len));
        }
        if L::MESSAGE {
            return self.variant(name, len);
        }
        self.deeper()?;
        self.array(Form::Variant(name), Some(len))
    }
    #[inline]
    fn serialize_map(mut self, len: Option<usize>) -> Result<Map<'t, T, L>, T::Error> {
        self.enter_element();
        self.map(Form::Plain, len)
    }
    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Map<'t, T, L>, T::Error> {
        self.serialize_map(Some(len))
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Map<'t, T, L>, T::Error> {
        if L::MESSAGE {
            self.depth = 1;
            return self.map(Form::AfterName(name), Some(len));
        }
        self.deeper()?;
        self.map(Form::Variant(name), Some(len))
    }
}
