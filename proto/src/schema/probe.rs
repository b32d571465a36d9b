//! What a type asks of serde, without a value of it: whether it is an enum, and what each variant holds. A schema alone does
//! not say it: a newtype variant of a pair and a variant of two fields have the same one.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The form of a type as a message.
pub(super) enum Shape {
    /// Every type that is one element.
    One,
    /// No elements.
    Unit,
    /// A tuple, an array or a tuple struct: each field is an element.
    Fields,
    /// The variants, with their content.
    Enum(Vec<(&'static str, Content)>),
}

/// The content of a variant.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Unit,
    /// One element: a newtype, or a map of the fields.
    One,
    /// An element for each field.
    Fields,
}

/// The form of `M`.
pub(super) fn shape<M: DeserializeOwned>() -> Shape {
    let mut found = Found::default();
    // It ends with an error: there is no value.
    let _ = M::deserialize(Probe(None, &mut found));
    let Some(variants) = found.variants else {
        return found.shape.unwrap_or(Shape::One);
    };
    let content = |name: &&'static str| {
        let mut found = Found::default();
        let _ = M::deserialize(Probe(Some(name), &mut found));
        found.content.map(|content| (*name, content))
    };
    Shape::Enum(variants.iter().filter_map(content).collect())
}

/// What is known of a type.
#[derive(Default)]
struct Found {
    shape: Option<Shape>,
    variants: Option<&'static [&'static str]>,
    content: Option<Content>,
}

/// A deserializer that has nothing but, for an enum, the name of a variant.
struct Probe<'f>(Option<&'static str>, &'f mut Found);

fn nothing() -> Error {
    de::Error::custom("nothing to read")
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.1.shape = Some(Shape::One);
        Err(nothing())
    }
    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.1.shape = Some(Shape::Unit);
        Err(nothing())
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.1.shape = Some(Shape::Fields);
        Err(nothing())
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.1.variants = Some(variants);
        match self.0 {
            Some(_) => visitor.visit_enum(self),
            None => Err(nothing()),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option seq map struct identifier ignored_any
    }
}

impl<'de> de::EnumAccess<'de> for Probe<'_> {
    type Error = Error;
    type Variant = Self;
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.0.unwrap_or_default().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Probe<'_> {
    type Error = Error;
    fn unit_variant(self) -> Result<(), Error> {
        self.1.content = Some(Content::Unit);
        Err(nothing())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        self.1.content = Some(Content::One);
        Err(nothing())
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.1.content = Some(Content::Fields);
        Err(nothing())
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.1.content = Some(Content::One);
        Err(nothing())
    }
}
