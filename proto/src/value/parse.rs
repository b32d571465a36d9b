//! The flat form of Rust values in messages, on the way in: the table in `flat`, read from right to left.

use std::marker::PhantomData;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor,
};

use super::mark::TAG;
use super::{ParseError, too_long};

/// Reads the elements that `seq` has left as a `T`, to the last one. The next is the message's element `at`.
pub(crate) fn parse<'de, T, A>(seq: A, at: usize) -> Result<T, ParseError>
where
    T: Deserialize<'de>,
    A: LoneNull<'de>,
{
    let mut elements = Elements { seq, at };
    // Left where it is made until it is returned: to move it would wait for its parts to be stored.
    let value = T::deserialize(&mut elements);
    if value.is_ok() && elements.seq.next_element::<IgnoredAny>()?.is_some() {
        return Err(elements.left_over(at));
    }
    value
}

/// The elements that a message has left.
pub(crate) trait LoneNull<'de>: SeqAccess<'de, Error = ParseError> {
    /// Whether there is one and it is null, which is how a message that is an `Option` says `None`.
    fn is_lone_null(&self) -> bool;
}

/// The rest of a message as a deserializer and as its parts.
struct Elements<A> {
    seq: A,
    /// Which element is next.
    at: usize,
}

impl<'de, A: LoneNull<'de>> SeqAccess<'de> for &mut Elements<A> {
    type Error = ParseError;
    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        let element = self.seq.next_element_seed(seed);
        match &element {
            Ok(Some(_)) => self.at += 1,
            Ok(None) => {}
            Err(_) => return element.map_err(|e| e.in_element(self.at)),
        }
        element
    }
    // In one piece with its caller: otherwise what it returns goes through memory, in other parts than it was stored in.
    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, ParseError> {
        self.next_element_seed(PhantomData)
    }
    fn size_hint(&self) -> Option<usize> {
        self.seq.size_hint()
    }
}

impl<'de, A: LoneNull<'de>> Elements<A> {
    /// That more elements came than those from `first` on that were read, the one just passed over included.
    #[cold]
    fn left_over(&mut self, first: usize) -> ParseError {
        let wanted = self.at - first;
        let mut found = wanted + 1;
        loop {
            match self.seq.next_element::<IgnoredAny>() {
                Ok(Some(_)) => found += 1,
                Ok(None) => return too_long(found, wanted),
                Err(error) => return error,
            }
        }
    }

    /// Reads the next element with `seed`; that there is none is an error.
    fn one<T: DeserializeSeed<'de>>(
        mut self: &mut Self,
        seed: T,
        expected: &dyn de::Expected,
    ) -> Result<T::Value, ParseError> {
        let at = self.at;
        (&mut self)
            .next_element_seed(seed)?
            .ok_or_else(|| ParseError::invalid_length(at, expected).in_element(at))
    }
}

/// A visitor waiting for the one element of a message, and what it asked its deserializer for.
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

/// One of a deserializer's methods.
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
        impl<'de, A: LoneNull<'de>> Deserializer<'de> for &mut Elements<A> {
            type Error = ParseError;

            $(
                fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                    self.one(Asking(visitor, $ask), &"a message of one element")
                }
            )*

            fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                visitor.visit_seq(self)
            }
            fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                visitor.visit_seq(self)
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
            /// `None` is a message of one null; `Some` whatever its content is.
            fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
                if self.seq.is_lone_null() {
                    self.seq.next_element::<IgnoredAny>()?;
                    return visitor.visit_none();
                }
                visitor.visit_some(self)
            }
            fn deserialize_struct<V: Visitor<'de>>(
                self,
                name: &'static str,
                fields: &'static [&'static str],
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                let ask = AskStruct { name, fields };
                self.one(Asking(visitor, ask), &"a message of one map")
            }
            fn deserialize_enum<V: Visitor<'de>>(
                self,
                name: &'static str,
                variants: &'static [&'static str],
                visitor: V,
            ) -> Result<V::Value, ParseError> {
                if name == TAG {
                    let ask = AskEnum { name, variants };
                    return self.one(Asking(visitor, ask), &"a message of one element");
                }
                visitor.visit_enum(self)
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
    deserialize_identifier AskIdentifier, deserialize_map AskMap,
);

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

/// The first element is the variant's name, the others its content.
impl<'de, A: LoneNull<'de>> de::EnumAccess<'de> for &mut Elements<A> {
    type Error = ParseError;
    type Variant = Self;
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self), ParseError> {
        let tag = self.one(seed, &"a tag")?;
        Ok((tag, self))
    }
}

impl<'de, A: LoneNull<'de>> de::VariantAccess<'de> for &mut Elements<A> {
    type Error = ParseError;
    fn unit_variant(self) -> Result<(), ParseError> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        self.one(seed, &"a tag and one element")
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_seq(self)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        let ask = AskStruct { name: "", fields };
        self.one(Asking(visitor, ask), &"a tag and a map")
    }
}
