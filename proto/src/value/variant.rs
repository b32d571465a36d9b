//! Enums inside a message: the name of the variant and its content, as an element each or as a key and its value.

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, Visitor};

use super::ParseError;

/// Where names of variants are read. A name that was read can be looked at again.
pub(crate) trait Names {
    /// The place of a name, or a copy of it.
    type Mark;
    /// The mark of the name that is read next.
    fn mark(&self) -> Self::Mark;
    /// Whether the name is one of `names`.
    fn is_one_of(&self, mark: &Self::Mark, names: &[&str]) -> bool;
}

/// A variant as a pair of a map: its name is the key, and its content the value.
///
/// The content of a variant that the type does not know is skipped where the type takes it for a unit. That is what
/// `#[serde(other)]` does, so a program reads the variants of later versions, whatever they hold.
pub(crate) struct PairVariant<P: Names> {
    pairs: P,
    variants: &'static [&'static str],
    name: P::Mark,
}

impl<P: Names> PairVariant<P> {
    /// The variant that is the next pair, of a type with `variants`.
    pub(crate) fn new(pairs: P, variants: &'static [&'static str]) -> Self {
        let name = pairs.mark();
        Self {
            pairs,
            variants,
            name,
        }
    }
}

impl<'de, P> de::EnumAccess<'de> for PairVariant<P>
where
    P: Names + de::MapAccess<'de, Error = ParseError>,
{
    type Error = ParseError;
    type Variant = Self;
    fn variant_seed<T: DeserializeSeed<'de>>(
        mut self,
        seed: T,
    ) -> Result<(T::Value, Self), ParseError> {
        let name = self.pairs.next_key_seed(seed)?;
        let expected = &"the name of a variant" as &dyn de::Expected;
        let missing = || de::Error::invalid_type(de::Unexpected::Map, expected);
        Ok((name.ok_or_else(missing)?, self))
    }
}

impl<'de, P> de::VariantAccess<'de> for PairVariant<P>
where
    P: Names + de::MapAccess<'de, Error = ParseError>,
{
    type Error = ParseError;
    fn unit_variant(mut self) -> Result<(), ParseError> {
        match self.pairs.is_one_of(&self.name, self.variants) {
            true => self.pairs.next_value(),
            false => self.pairs.next_value::<IgnoredAny>().map(drop),
        }
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        mut self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        self.pairs.next_value_seed(seed)
    }
    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        self.pairs.next_value_seed(Fields(len, visitor))
    }
    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        self.pairs.next_value_seed(NamedFields(fields, visitor))
    }
}

struct Fields<V>(usize, V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Fields<V> {
    type Value = V::Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<V::Value, D::Error> {
        d.deserialize_tuple(self.0, self.1)
    }
}

struct NamedFields<V>(&'static [&'static str], V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for NamedFields<V> {
    type Value = V::Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<V::Value, D::Error> {
        d.deserialize_struct("", self.0, self.1)
    }
}
