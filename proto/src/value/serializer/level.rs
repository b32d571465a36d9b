//! `Level`: the difference between the message and a place in it, known to the compiler.

use super::Built;
use crate::value::target::{Form, Target};

/// What a place is: the message, or a place in it.
pub(crate) trait Level {
    const MESSAGE: bool;
    /// Whether the place is that of the content of a `Some`, where a null would mean `None`.
    const OPTIONAL: bool = false;
    /// Whether the place is that of a map's key.
    const KEY: bool = false;
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

/// A place in the message, for the content of a `Some`.
pub(crate) struct Optional;

/// The place of a map's key.
pub(crate) struct Key;

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

macro_rules! inner {
    ($($level:ident $optional:literal $key:literal),*) => {$(
        impl Level for $level {
            const MESSAGE: bool = false;
            const OPTIONAL: bool = $optional;
            const KEY: bool = $key;
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
    )*};
}

inner!(Inner false false, Optional true false, Key false true);
