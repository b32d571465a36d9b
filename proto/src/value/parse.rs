//! Parses messages into Rust types: the reverse of the flat form, whose table is at `to_values`.

use std::marker::PhantomData;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor,
};

use super::mark::TAG;
use super::{Names, ParseError, too_long};

/// Parses the remaining elements of `seq` as a `T`, all of them. The next one is element `at` of the message.
pub(crate) fn parse<'de, T, A>(seq: A, at: usize) -> Result<T, ParseError>
where
    T: Deserialize<'de>,
    A: Countable<'de>,
{
    let mut elements = Elements { seq, first: at, at };
    // Not moved between its construction and the return: a move would have to wait for the stores of its parts.
    let value = T::deserialize(&mut elements);
    if value.is_ok() && elements.seq.next_element::<IgnoredAny>()?.is_some() {
        return Err(elements.left_over());
    }
    value
}

/// The remaining elements of a message.
pub(crate) trait Countable<'de>: SeqAccess<'de, Error = ParseError> + Names {
    /// The number of elements, or 2 for more.
    fn up_to_two(&self) -> usize;
    /// The next element as the name of a variant. An integer is none, although serde would take it for an index.
    fn next_name_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError>;
}

/// The index of the element after the tag. An enum among the arguments is one of them: the tag is no variant's name.
const FIRST_ARGUMENT: usize = 1;

/// The remaining elements of a message, as a deserializer and as a sequence.
struct Elements<A> {
    seq: A,
    /// The index of the first one: 0, or 1 for the arguments after a tag.
    first: usize,
    /// The index of the next one.
    at: usize,
}

impl<'de, A: Countable<'de>> SeqAccess<'de> for &mut Elements<A> {
    type Error = ParseError;
    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        let element = self.seq.next_element_seed(seed);
        self.counted(element)
    }
    // Inlined: otherwise its result is stored in parts and loaded with wider loads, which have to wait for the stores.
    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, ParseError> {
        self.next_element_seed(PhantomData)
    }
    fn size_hint(&self) -> Option<usize> {
        self.seq.size_hint()
    }
}

impl<'de, A: Countable<'de>> Elements<A> {
    /// The error for more elements than the type has. One surplus element has been skipped.
    #[cold]
    fn left_over(&mut self) -> ParseError {
        let wanted = self.at - self.first;
        let mut found = wanted + 1;
        loop {
            match self.seq.next_element::<IgnoredAny>() {
                Ok(Some(_)) => found += 1,
                Ok(None) => return too_long(found, wanted),
                Err(error) => return error,
            }
        }
    }

    /// Counts `element`, the next one. An error gets its place.
    #[inline(always)]
    fn counted<T>(
        &mut self,
        element: Result<Option<T>, ParseError>,
    ) -> Result<Option<T>, ParseError> {
        match &element {
            Ok(Some(_)) => self.at += 1,
            Ok(None) => {}
            Err(_) => return element.map_err(|error| error.in_element(self.at)),
        }
        element
    }

    /// The error for a next element that is missing.
    #[cold]
    fn missing(&self, expected: &dyn de::Expected) -> ParseError {
        ParseError::invalid_length(self.at - self.first, expected).in_element(self.at)
    }

    /// Parses the next element with `seed`. It is an error if there is none.
    fn one<T: DeserializeSeed<'de>>(
        mut self: &mut Self,
        seed: T,
        expected: &dyn de::Expected,
    ) -> Result<T::Value, ParseError> {
        match (&mut self).next_element_seed(seed)? {
            Some(element) => Ok(element),
            None => Err(self.missing(expected)),
        }
    }
}

/// A visitor for the only element of a message, and the deserializer method that it called.
struct Asking<V, F>(V, F);

impl<'de, V, F, R> DeserializeSeed<'de> for Asking<V, F>
where
    F: AskFor<'de, V, Value = R>,
{
    type Value = R;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<R, D::Error> {
        self.1.ask(d, self.0)
    }
}

/// A method of `Deserializer`.
trait AskFor<'de, V> {
    type Value;
    fn ask<D: Deserializer<'de>>(self, d: D, visitor: V) -> Result<Self::Value, D::Error>;
}

macro_rules! single {
    ($($method:ident $ask:ident),* $(,)?) => {
        $(
            struct $ask;
            impl<'de, V: Visitor<'de>> AskFor<'de, V> for $ask {
                type Value = V::Value;
                fn ask<D: Deserializer<'de>>(self, d: D, visitor: V) -> Result<V::Value, D::Error> {
                    d.$method(visitor)
                }
            }
        )*
        single!(@ $($method $ask),*);
    };
    (@ $($method:ident $ask:ident),*) => {
        impl<'de, A: Countable<'de>> Deserializer<'de> for &mut Elements<A> {
            type Error = ParseError;

            $(
                fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                    self.one(Asking(visitor, $ask), &"one element")
                }
            )*

            /// A type that takes what comes, such as an untagged enum or a [`Value`](super::Value): one element is the
            /// value, none is a unit, and more are an array.
            fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                match self.seq.up_to_two() {
                    0 => visitor.visit_unit(),
                    1 => self.one(Asking(visitor, AskAny), &"one element"),
                    _ => visitor.visit_seq(self),
                }
            }
            fn deserialize_tuple<V: Visitor<'de>>(
                self,
                _: usize,
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                visitor.visit_seq(self)
            }
            fn deserialize_tuple_struct<V: Visitor<'de>>(
                self,
                _: &'static str,
                _: usize,
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                visitor.visit_seq(self)
            }
            fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                visitor.visit_unit()
            }
            fn deserialize_unit_struct<V: Visitor<'de>>(
                self,
                _: &'static str,
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                visitor.visit_unit()
            }
            fn deserialize_newtype_struct<V: Visitor<'de>>(
                self,
                _: &'static str,
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                visitor.visit_newtype_struct(self)
            }
            fn deserialize_struct<V: Visitor<'de>>(
                self,
                name: &'static str,
                fields: &'static [&'static str],
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                let ask = AskStruct { name, fields };
                self.one(Asking(visitor, ask), &"one map")
            }
            fn deserialize_enum<V: Visitor<'de>>(
                self,
                name: &'static str,
                variants: &'static [&'static str],
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                if name == TAG || self.first == FIRST_ARGUMENT {
                    let ask = AskEnum { name, variants };
                    return self.one(Asking(visitor, ask), &"one element");
                }
                let name = self.seq.mark();
                visitor.visit_enum(Variant { elements: self, variants, name })
            }
            fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                visitor.visit_seq(self)
            }
        }
    };
}

single!(
    deserialize_bool AskBool,
    deserialize_i8 AskI8, deserialize_i16 AskI16, deserialize_i32 AskI32, deserialize_i64 AskI64,
    deserialize_i128 AskI128,
    deserialize_u8 AskU8, deserialize_u16 AskU16, deserialize_u32 AskU32, deserialize_u64 AskU64,
    deserialize_u128 AskU128,
    deserialize_f32 AskF32, deserialize_f64 AskF64,
    deserialize_char AskChar, deserialize_str AskStr, deserialize_string AskString,
    deserialize_bytes AskBytes, deserialize_byte_buf AskByteBuf,
    deserialize_identifier AskIdentifier, deserialize_map AskMap, deserialize_seq AskSeq,
    deserialize_option AskOption,
);

struct AskAny;

impl<'de, V: Visitor<'de>> AskFor<'de, V> for AskAny {
    type Value = V::Value;
    fn ask<D: Deserializer<'de>>(self, d: D, visitor: V) -> Result<V::Value, D::Error> {
        d.deserialize_any(visitor)
    }
}

struct AskStruct {
    name: &'static str,
    fields: &'static [&'static str],
}

impl<'de, V: Visitor<'de>> AskFor<'de, V> for AskStruct {
    type Value = V::Value;
    fn ask<D: Deserializer<'de>>(self, d: D, visitor: V) -> Result<V::Value, D::Error> {
        d.deserialize_struct(self.name, self.fields, visitor)
    }
}

struct AskEnum {
    name: &'static str,
    variants: &'static [&'static str],
}

impl<'de, V: Visitor<'de>> AskFor<'de, V> for AskEnum {
    type Value = V::Value;
    fn ask<D: Deserializer<'de>>(self, d: D, visitor: V) -> Result<V::Value, D::Error> {
        d.deserialize_enum(self.name, self.variants, visitor)
    }
}

/// A variant as a message: the first element is its name, the others are its content. That of a variant that the type does
/// not know is skipped, as that of a [`PairVariant`](super::PairVariant).
struct Variant<'e, A: Names> {
    elements: &'e mut Elements<A>,
    variants: &'static [&'static str],
    name: A::Mark,
}

impl<'de, A: Countable<'de>> de::EnumAccess<'de> for Variant<'_, A> {
    type Error = ParseError;
    type Variant = Self;
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self), ParseError> {
        let elements = &mut *self.elements;
        let tag = elements.seq.next_name_seed(seed);
        match elements.counted(tag)? {
            Some(tag) => Ok((tag, self)),
            None => Err(elements.missing(&"a tag")),
        }
    }
}

impl<'de, A: Countable<'de>> de::VariantAccess<'de> for Variant<'_, A> {
    type Error = ParseError;
    fn unit_variant(self) -> Result<(), ParseError> {
        let seq = &mut self.elements.seq;
        if seq.up_to_two() > 0 && !seq.is_one_of(&self.name, self.variants) {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        self.elements.one(seed, &"a tag and one element")
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_seq(self.elements)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        let ask = AskStruct { name: "", fields };
        self.elements.one(Asking(visitor, ask), &"a tag and a map")
    }
}
