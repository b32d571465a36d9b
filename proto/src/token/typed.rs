//! Parses the values of received messages into Rust types: the deserializer over tokens.

use serde::de::{self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, Visitor};

use super::read::{Left, Pairs, Reader, Seq, stray_end};
use super::{Token, TokenReader};
use crate::value::de::{UNDEFINED, all_wants};
use crate::value::mark::{SIMPLE, TAG, TAGGED, UNTAGGED};
use crate::value::scalar::{Precision, Want};
use crate::value::{PairVariant, ParseError, too_long};

/// The deserializer for the value that begins with `token`, the last token that `reader` has read.
pub(super) struct Item<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) token: Token,
}

impl<'a> Item<'_, 'a> {
    /// Passes the value to `visitor`. Handles the common cases inline, and calls a function for the others.
    #[inline(always)]
    fn visit<'de, V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value, ParseError> {
        match self.token {
            Token::Unsigned(n) if !matches!(want, Want::Bool | Want::Text | Want::Float(_)) => {
                visitor.visit_u64(n)
            }
            Token::Negative(n)
                if !matches!(want, Want::Text | Want::Float(_)) && n <= i64::MAX as u64 =>
            {
                visitor.visit_i64(!(n as i64))
            }
            Token::Float(bits) if matches!(want, Want::Float(_)) => {
                visitor.visit_f64(f64::from_bits(bits))
            }
            Token::Text(len) if matches!(want, Want::Text | Want::Any) => {
                visitor.visit_str(self.reader.text(len, 0)?)
            }
            Token::Quoted(len) if matches!(want, Want::Text | Want::Any) => {
                visitor.visit_str(self.reader.text(len, 1)?)
            }
            _ => self.visit_other(want, visitor),
        }
    }

    #[inline(never)]
    fn visit_other<'de, V: Visitor<'de>>(
        self,
        want: Want,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        let Self { reader, token } = self;
        if let Some(left) = Left::of_array(token) {
            return visit_seq(reader, left, visitor);
        }
        if let Some(left) = Left::of_map(token) {
            let are_names = want == Want::Struct;
            let mut pairs = Pairs {
                reader,
                left,
                are_names,
            };
            let value = visitor.visit_map(&mut pairs)?;
            return match pairs.left.next(pairs.reader)? {
                None => Ok(value),
                Some(_) => Err(ParseError::new("a map has more pairs than expected")),
            };
        }
        match token {
            // A type that asks for a specific value ignores tags around it.
            Token::Tag(_) if want != Want::Any => {
                let token = untagged(reader, token)?;
                Item { reader, token }.visit_other(want, visitor)
            }
            Token::Simple(n)
                if n == u64::from(UNDEFINED) && matches!(want, Want::Other | Want::Struct) =>
            {
                visitor.visit_unit()
            }
            Token::Tag(_) | Token::Simple(_) => visitor.visit_enum(Marked(Item { reader, token })),
            _ => match reader.scalar(token)? {
                Some(scalar) => scalar.visit(want, reader.lenient, visitor),
                None => Err(stray_end()),
            },
        }
    }
}

/// The first token of the value after any tags that `token` begins.
pub(super) fn untagged<F: TokenReader + ?Sized>(
    reader: &mut Reader<'_, F>,
    mut token: Token,
) -> Result<Token, ParseError> {
    while matches!(token, Token::Tag(_)) {
        token = reader.token()?;
    }
    Ok(token)
}

fn visit_seq<'de, V: Visitor<'de>>(
    reader: &mut Reader<'_>,
    left: Left,
    visitor: V,
) -> Result<V::Value, ParseError> {
    let mut seq = Seq { reader, left };
    let value = visitor.visit_seq(&mut seq)?;
    if seq.is_done()? {
        return Ok(value);
    }
    Err(match (left.known(), seq.left.known()) {
        // One of the remaining elements has just been read.
        (Some(len), Some(left)) => too_long(len, len - left - 1),
        _ => ParseError::new("an array has more elements than expected"),
    })
}

impl<'de> Deserializer<'de> for Item<'_, '_> {
    type Error = ParseError;

    all_wants!();

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        match self.token {
            Token::Null => visitor.visit_none(),
            Token::Simple(n) if n == u64::from(UNDEFINED) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        if name == TAG {
            return visitor.visit_enum(Marked(self));
        }
        let Self { reader, token } = self;
        let token = untagged(reader, token)?;
        let expected = &"the name of a variant, or a map of one from its name to its content"
            as &dyn de::Expected;
        if let Some(left) = Left::of_map(token) {
            let mut pairs = Pairs {
                reader,
                left,
                are_names: true,
            };
            let value = visitor.visit_enum(PairVariant::new(&mut pairs, variants))?;
            return match pairs.left.next(pairs.reader)? {
                None => Ok(value),
                Some(_) => Err(ParseError::invalid_type(de::Unexpected::Map, expected)),
            };
        }
        match reader.scalar_text(token)? {
            Some(name) => visitor.visit_enum(de::value::StrDeserializer::new(&name)),
            None => Err(reader.mismatch(token, expected)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        self.reader.skip(self.token)?;
        visitor.visit_unit()
    }
}

/// A value as the enum of `mark`, which represents tags and simple values.
struct Marked<'r, 'a>(Item<'r, 'a>);

impl<'de, 'r, 'a> de::EnumAccess<'de> for Marked<'r, 'a> {
    type Error = ParseError;
    type Variant = Self;
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self), ParseError> {
        let name = match self.0.token {
            Token::Tag(_) => TAGGED,
            Token::Simple(_) => SIMPLE,
            _ => UNTAGGED,
        };
        let name = seed.deserialize(de::value::StrDeserializer::new(name))?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Marked<'_, '_> {
    type Error = ParseError;
    fn unit_variant(self) -> Result<(), ParseError> {
        Err(self.0.reader.mismatch(self.0.token, &"a unit"))
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        match self.0.token {
            Token::Simple(n) => seed.deserialize(n.into_deserializer()),
            _ => seed.deserialize(self.0),
        }
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ParseError> {
        let Item { reader, token } = self.0;
        let Token::Tag(tag) = token else {
            return Err(reader.mismatch(token, &visitor));
        };
        visitor.visit_seq(TagAndValue {
            reader,
            tag: Some(tag),
            done: false,
        })
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        Err(self.0.reader.mismatch(self.0.token, &visitor))
    }
}

/// A tag, then its content.
struct TagAndValue<'r, 'a> {
    reader: &'r mut Reader<'a>,
    tag: Option<u64>,
    done: bool,
}

impl<'de> de::SeqAccess<'de> for TagAndValue<'_, '_> {
    type Error = ParseError;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        if let Some(tag) = self.tag.take() {
            return seed.deserialize(tag.into_deserializer()).map(Some);
        }
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let token = self.reader.token()?;
        seed.deserialize(self.reader.item(token)).map(Some)
    }
}
