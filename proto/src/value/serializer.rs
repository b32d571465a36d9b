//! The serializer of messages: writes the flat form of every type, by the table at [`to_values`](super::to_values),
//! into a [`Target`]. `builder` has the target that builds values, the room `token` the one that writes a codec's
//! bytes.

use std::fmt::Display;
use std::marker::PhantomData;

use serde::ser::{self, Error as _, Serialize, Serializer};

use super::Integer;
use super::mark::{SIMPLE, TAG};
use super::target::{Form, Plain, Target};

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
    fn element(self) -> Place<'t, T, Inner> {
        if L::MESSAGE {
            self.to.one();
        }
        Place::new(self.to, self.depth + usize::from(L::MESSAGE))
    }

    #[inline]
    fn scalar(self, scalar: Plain<'_>) -> Built<T, L> {
        L::only::<T>(self.element().to.scalar(scalar))
    }

    #[inline]
    fn integer<N>(self, n: N) -> Built<T, L>
    where
        N: TryInto<Integer, Error: Display>,
    {
        let place = self.element();
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
        if L::MESSAGE {
            self.to.one();
            self.depth += 1;
        }
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
    type SerializeSeq = Array<'t, T, L, Natural>;
    type SerializeTuple = Array<'t, T, L, Natural>;
    type SerializeTupleStruct = Array<'t, T, L, Natural>;
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
        L::only::<T>(self.element().to.text(text))
    }
    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Built<T, L> {
        self.scalar(Plain::Bytes(bytes))
    }
    #[inline]
    fn serialize_none(self) -> Built<T, L> {
        self.scalar(Plain::Null)
    }
    #[inline]
    fn serialize_some<S: Serialize + ?Sized>(self, value: &S) -> Built<T, L> {
        value.serialize(self)
    }
    #[inline]
    fn serialize_unit(self) -> Built<T, L> {
        match L::MESSAGE {
            true => self.array(Natural, Some(0))?.finish(),
            false => self.scalar(Plain::Null),
        }
    }
    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Built<T, L> {
        self.serialize_unit()
    }
    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Built<T, L> {
        L::only::<T>(self.element().to.name(name))
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
            let content = value.serialize(Place::inner(self.to, self.depth));
            return L::only::<T>(match name {
                SIMPLE => content.and_then(|number| self.to.simple(number)),
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
    fn serialize_seq(self, len: Option<usize>) -> Result<Array<'t, T, L, Natural>, T::Error> {
        self.array(Natural, len)
    }
    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Array<'t, T, L, Natural>, T::Error> {
        self.array(Natural, Some(len))
    }
    #[inline]
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<Array<'t, T, L, Natural>, T::Error> {
        self.array(Natural, Some(len))
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
        if L::MESSAGE {
            self.to.one();
            self.depth += 1;
        }
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

/// What a place is: the message, or a place in it.
pub(crate) trait Level {
    const MESSAGE: bool;
    /// The result of the place.
    type Built<T: Target>;

    /// The result of a place whose value is this one.
    fn only<T: Target>(value: Result<T::Built, T::Error>) -> Built<T, Self>;
    /// The result of a place whose value is this array.
    fn end_array<T: Target>(to: &mut T, items: T::Items, form: Form) -> Built<T, Self>;
    /// The result of a place whose value is this map.
    fn end_map<T: Target>(to: &mut T, pairs: T::Pairs, form: Form) -> Built<T, Self>;
}

/// The message.
pub(crate) struct Message;

/// A place in the message.
pub(crate) struct Inner;

impl Level for Message {
    const MESSAGE: bool = true;
    type Built<T: Target> = T::Message;

    #[inline]
    fn only<T: Target>(value: Result<T::Built, T::Error>) -> Built<T, Self> {
        match value {
            Ok(value) => Ok(T::message_of(value)),
            Err(error) => Err(T::in_element(error, 0)),
        }
    }
    #[inline]
    fn end_array<T: Target>(to: &mut T, items: T::Items, form: Form) -> Built<T, Self> {
        match form {
            Form::Message => to.end_message(items),
            _ => Self::only::<T>(to.end_array(items, form)),
        }
    }
    #[inline]
    fn end_map<T: Target>(to: &mut T, pairs: T::Pairs, form: Form) -> Built<T, Self> {
        match form {
            Form::AfterName(name) => to.end_named(name, pairs),
            _ => Self::only::<T>(to.end_map(pairs, form)),
        }
    }
}

impl Level for Inner {
    const MESSAGE: bool = false;
    type Built<T: Target> = T::Built;

    #[inline]
    fn only<T: Target>(value: Result<T::Built, T::Error>) -> Built<T, Self> {
        value
    }
    #[inline]
    fn end_array<T: Target>(to: &mut T, items: T::Items, form: Form) -> Built<T, Self> {
        to.end_array(items, form)
    }
    #[inline]
    fn end_map<T: Target>(to: &mut T, pairs: T::Pairs, form: Form) -> Built<T, Self> {
        to.end_map(pairs, form)
    }
}

/// What an array is, known to the compiler where it can be.
pub(crate) trait Shape: Copy {
    fn form<L: Level>(self) -> Form;
}

/// The form of an array that is no variant and no tag.
#[derive(Clone, Copy)]
pub(crate) struct Natural;

impl Shape for Natural {
    #[inline]
    fn form<L: Level>(self) -> Form {
        match L::MESSAGE {
            true => Form::Message,
            false => Form::Plain,
        }
    }
}

impl Shape for Form {
    #[inline]
    fn form<L: Level>(self) -> Form {
        self
    }
}

/// An array that has begun.
pub(crate) struct Array<'t, T: Target, L, F> {
    /// The place of each element.
    place: Place<'t, T, Inner>,
    items: T::Items,
    form: F,
    level: PhantomData<L>,
}

impl<T: Target, L: Level, F: Shape> Array<'_, T, L, F> {
    #[inline]
    fn push<S: Serialize + ?Sized>(&mut self, value: &S) -> Result<(), T::Error> {
        match value.serialize(self.place.reborrow()) {
            Ok(item) => T::push(&mut self.items, item),
            Err(error) => {
                let at = match self.form.form::<L>() {
                    Form::Message => T::count(&self.items),
                    _ => 0,
                };
                return Err(located::<T, L>(error, at));
            }
        }
        Ok(())
    }

    #[inline]
    fn finish(self) -> Built<T, L> {
        L::end_array(self.place.to, self.items, self.form.form::<L>())
    }
}

/// A map that has begun.
pub(crate) struct Map<'t, T: Target, L> {
    /// The place of each key and each value.
    place: Place<'t, T, Inner>,
    pairs: T::Pairs,
    form: Form,
    /// The key whose value has not come yet.
    key: Option<T::Built>,
    level: PhantomData<L>,
}

impl<T: Target, L: Level> Map<'_, T, L> {
    #[inline]
    fn field<S>(&mut self, name: &'static str, value: &S) -> Result<(), T::Error>
    where
        S: Serialize + ?Sized,
    {
        let key = self.place.to.key(name);
        self.pair(key, value)
    }

    #[inline]
    fn any_key<S: Serialize + ?Sized>(&mut self, key: &S) -> Result<T::Built, T::Error> {
        let key = match self.key {
            Some(_) => Err(incomplete("a key without a value")),
            None => self.place.to.any_key(key, self.place.depth),
        };
        key.map_err(|error| self.fail(error))
    }

    #[inline]
    fn pair<S: Serialize + ?Sized>(&mut self, key: T::Built, value: &S) -> Result<(), T::Error> {
        match value.serialize(self.place.reborrow()) {
            Ok(value) => T::add(&mut self.pairs, key, value),
            Err(error) => return Err(self.fail(error)),
        }
        Ok(())
    }

    #[cold]
    fn fail(&self, error: T::Error) -> T::Error {
        let at = usize::from(matches!(self.form, Form::AfterName(_)));
        located::<T, L>(error, at)
    }

    #[inline]
    fn finish(self) -> Built<T, L> {
        match self.key {
            Some(_) => Err(incomplete("a key without a value")),
            None => L::end_map(self.place.to, self.pairs, self.form),
        }
    }
}

/// Adds to `error` the index of the message's element in which it occurred.
#[cold]
fn located<T: Target, L: Level>(error: T::Error, at: usize) -> T::Error {
    match L::MESSAGE {
        true => T::in_element(error, at),
        false => error,
    }
}

/// The error of a type whose own `Serialize` leaves a map incomplete.
#[cold]
fn incomplete<E: ser::Error>(what: &str) -> E {
    E::custom(format_args!("a map has {what}"))
}

macro_rules! arrays {
    ($($trait:ident $push:ident),*) => {$(
        impl<T: Target, L: Level, F: Shape> ser::$trait for Array<'_, T, L, F> {
            type Ok = L::Built<T>;
            type Error = T::Error;
            #[inline]
            fn $push<S: Serialize + ?Sized>(&mut self, value: &S) -> Result<(), T::Error> {
                self.push(value)
            }
            #[inline]
            fn end(self) -> Built<T, L> {
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
        impl<T: Target, L: Level> ser::$trait for Map<'_, T, L> {
            type Ok = L::Built<T>;
            type Error = T::Error;
            #[inline]
            fn serialize_field<S>(&mut self, name: &'static str, value: &S) -> Result<(), T::Error>
            where
                S: Serialize + ?Sized,
            {
                self.field(name, value)
            }
            #[inline]
            fn end(self) -> Built<T, L> {
                self.finish()
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

impl<T: Target, L: Level> ser::SerializeMap for Map<'_, T, L> {
    type Ok = L::Built<T>;
    type Error = T::Error;
    fn serialize_key<S: Serialize + ?Sized>(&mut self, key: &S) -> Result<(), T::Error> {
        self.key = Some(self.any_key(key)?);
        Ok(())
    }
    fn serialize_value<S: Serialize + ?Sized>(&mut self, value: &S) -> Result<(), T::Error> {
        match self.key.take() {
            Some(key) => self.pair(key, value),
            None => Err(self.fail(incomplete("a value without a key"))),
        }
    }
    // Quicker than the two calls: the key is not stored in between.
    fn serialize_entry<K, V>(&mut self, key: &K, value: &V) -> Result<(), T::Error>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        let key = self.any_key(key)?;
        self.pair(key, value)
    }
    #[inline]
    fn end(self) -> Built<T, L> {
        self.finish()
    }
}
