//! Arrays and maps that have begun: serde's traits for their parts.

use std::marker::PhantomData;

use serde::ser::{self, Serialize};

use super::level::{Inner, Level};
use super::{Built, Place};
use crate::value::target::{Form, Target};

/// What an array is, known to the compiler where it can be.
pub(crate) trait Shape: Copy {
    fn form<L: Level>(self) -> Form;
}

/// The form of a sequence: an array, also where it is the only element of the message.
#[derive(Clone, Copy)]
pub(crate) struct Element;

impl Shape for Element {
    #[inline]
    fn form<L: Level>(self) -> Form {
        Form::Plain
    }
}

/// The form of a tuple's fields: the message's elements, or an array in a place of the message.
#[derive(Clone, Copy)]
pub(crate) struct Fields;

impl Shape for Fields {
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
    pub(super) place: Place<'t, T, Inner>,
    pub(super) items: T::Items,
    pub(super) form: F,
    pub(super) level: PhantomData<L>,
}

impl<T: Target, L: Level, F: Shape> Array<'_, T, L, F> {
    #[inline]
    pub(super) fn push<S: Serialize + ?Sized>(&mut self, value: &S) -> Result<(), T::Error> {
        match value.serialize(self.place.reborrow()) {
            Ok(item) => T::push(&mut self.items, item),
            Err(error) => return Err(self.fail(error)),
        }
        Ok(())
    }

    #[cold]
    fn fail(&self, error: T::Error) -> T::Error {
        let at = T::count(&self.items);
        match self.form.form::<L>() {
            Form::Message => T::in_element(error, at),
            form => located::<T, L>(T::in_item(error, at), form),
        }
    }

    #[inline]
    pub(super) fn finish(self) -> Built<T, L> {
        L::end_array(self.place.to, self.items, self.form.form::<L>())
    }
}

/// A map that has begun.
pub(crate) struct Map<'t, T: Target, L> {
    /// The place of each key and each value.
    pub(super) place: Place<'t, T, Inner>,
    pub(super) pairs: T::Pairs,
    pub(super) form: Form,
    /// The key whose value has not come yet.
    pub(super) key: Option<T::Built>,
    pub(super) level: PhantomData<L>,
}

impl<T: Target, L: Level> Map<'_, T, L> {
    #[inline]
    pub(super) fn field<S>(&mut self, name: &'static str, value: &S) -> Result<(), T::Error>
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
        key.map_err(|error| located::<T, L>(error, self.form))
    }

    #[inline]
    fn pair<S: Serialize + ?Sized>(&mut self, key: T::Built, value: &S) -> Result<(), T::Error> {
        match value.serialize(self.place.reborrow()) {
            Ok(value) => T::add(&mut self.pairs, key, value),
            Err(error) => return Err(located::<T, L>(T::in_value(error, &key), self.form)),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn finish(self) -> Built<T, L> {
        match self.key {
            Some(_) => Err(incomplete("a key without a value")),
            None => L::end_map(self.place.to, self.pairs, self.form),
        }
    }
}

/// Adds to `error` the place of the array or map of this form in which it occurred.
#[cold]
fn located<T: Target, L: Level>(error: T::Error, form: Form) -> T::Error {
    let (error, at) = match form {
        Form::Variant(name) => (T::in_field(error, name), 0),
        Form::AfterName(_) => (error, 1),
        Form::Plain | Form::Message | Form::Tagged => (error, 0),
    };
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
            None => Err(located::<T, L>(
                incomplete("a value without a key"),
                self.form,
            )),
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
