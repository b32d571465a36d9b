//! Reading messages token by token: into `Value`s, and into Rust types through serde.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor,
};

use super::{Token, WireFormat};
use crate::message::{LoneNull, ParseError, Values};
use crate::value::de::{UNDEFINED, all_wants};
use crate::value::mark::{SIMPLE, TAG, TAGGED, UNTAGGED};
use crate::value::scalar::{Scalar, Want, text_of};
use crate::value::too_long;
use crate::{Integer, Map, PortName, Value};

/// The most values that room is made for on a message's word.
const MAX_RESERVE: usize = 1024;

/// Byte strings at least this long share the message's bytes; shorter ones are copied, so that one of them does
/// not keep a whole message alive.
const SHARE: usize = 1024;

/// A place in the bytes of a message.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    format: &'a dyn WireFormat,
    bytes: &'a [u8],
    at: usize,
    /// Whether to read as if an AnyEvent::MP node had written; `Scalar::visit` says what that means.
    lenient: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(format: &'a dyn WireFormat, bytes: &'a [u8], lenient: bool) -> Self {
        Self {
            format,
            bytes,
            at: 0,
            lenient,
        }
    }

    #[inline(always)]
    fn token(&mut self) -> Result<Token<'a>, ParseError> {
        match self.format.token(self.bytes, &mut self.at) {
            Some(token) => Ok(token),
            None => Err(unreadable()),
        }
    }

    /// The name of the port in front of a message's elements, and where those begin; nothing in an empty array.
    #[inline(always)]
    pub(crate) fn port(mut self) -> Result<Option<(PortName, Rest)>, ParseError> {
        let mut left = match self.token()? {
            Token::Array(len) => Left::new(len),
            other => return Err(ParseError::invalid_type(unexpected(&other), &"an array")),
        };
        let port = match left.next(&mut self)? {
            None => return Ok(None),
            Some(Token::Text(text)) => PortName::from(&*text),
            Some(Token::Bytes(bytes)) if self.lenient => match text_of(bytes) {
                Ok(text) => PortName::from(&*text),
                Err(_) => {
                    return Err(ParseError::new(
                        "expected text, found bytes that are not UTF-8",
                    ));
                }
            },
            Some(other) => return Err(ParseError::invalid_type(unexpected(&other), &"a text")),
        };
        let at = self.at;
        Ok(Some((port, Rest { at, left })))
    }

    /// The elements from `rest` on.
    pub(crate) fn elements(&mut self, rest: Rest) -> Seq<'_, 'a> {
        self.at = rest.at;
        Seq {
            reader: self,
            left: rest.left,
        }
    }

    /// Builds the value that starts with `token`; byte strings may share `whole`, the message's bytes.
    fn value(&mut self, token: Token<'a>, whole: &Bytes) -> Result<Value, ParseError> {
        Ok(match token {
            Token::Null => Value::Null,
            Token::True => Value::Bool(true),
            Token::False => Value::Bool(false),
            Token::Unsigned(n) => Value::Integer(n.into()),
            Token::Negative(n) => Value::Integer(Integer::negative(n)),
            Token::Float(x) => Value::Float(x),
            Token::Text(Cow::Borrowed(text)) => Value::from(text),
            Token::Text(Cow::Owned(text)) => Value::from(text),
            Token::Bytes(bytes) if self.lenient => match text_of(bytes) {
                Ok(text) => Value::from(text),
                Err(bytes) => share(bytes, whole),
            },
            Token::Bytes(bytes) => share(bytes, whole),
            Token::Array(len) => {
                let mut left = Left::new(len);
                let mut items = Vec::with_capacity(len.unwrap_or(0).min(MAX_RESERVE));
                while let Some(token) = left.next(self)? {
                    items.push(self.value(token, whole)?);
                }
                Value::Array(items)
            }
            Token::Map(len) => {
                let mut left = Left::new(len);
                let mut pairs = Vec::with_capacity(len.unwrap_or(0).min(MAX_RESERVE));
                while let Some(token) = left.next(self)? {
                    let key = self.value(token, whole)?;
                    let token = self.token()?;
                    pairs.push((key, self.value(token, whole)?));
                }
                Value::Map(Map::from(pairs))
            }
            Token::Tag(tag) => {
                let token = self.token()?;
                Value::Tag(tag, Box::new(self.value(token, whole)?))
            }
            Token::Simple(n) => Value::Simple(n as u8),
            Token::End => return Err(stray_end()),
        })
    }

    /// Passes over the rest of the value that began with `token`.
    fn skip(&mut self, token: &Token<'a>) -> Result<(), ParseError> {
        match token {
            Token::Array(len) => {
                let mut left = Left::new(*len);
                while let Some(token) = left.next(self)? {
                    self.skip(&token)?;
                }
            }
            Token::Map(len) => {
                let mut left = Left::new(*len);
                while let Some(token) = left.next(self)? {
                    self.skip(&token)?;
                    let token = self.token()?;
                    self.skip(&token)?;
                }
            }
            Token::Tag(_) => {
                let token = self.token()?;
                self.skip(&token)?;
            }
            Token::End => return Err(stray_end()),
            _ => {}
        }
        Ok(())
    }
}

fn share(bytes: Cow<'_, [u8]>, whole: &Bytes) -> Value {
    Value::Bytes(match bytes {
        Cow::Owned(bytes) => bytes.into(),
        Cow::Borrowed(bytes) if bytes.len() >= SHARE => whole.slice_ref(bytes),
        Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
    })
}

#[cold]
fn unreadable() -> ParseError {
    ParseError::new("the codec cannot read what it has accepted")
}

fn stray_end() -> ParseError {
    ParseError::new("an array or a map ends where a value was expected")
}

/// How much of an array or a map is left.
#[derive(Clone, Copy)]
enum Left {
    Known(usize),
    UntilEnd,
    Nothing,
}

impl Left {
    fn new(len: Option<usize>) -> Self {
        len.map_or(Self::UntilEnd, Self::Known)
    }

    /// The first token of the next element or key.
    #[inline(always)]
    fn next<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Option<Token<'a>>, ParseError> {
        match self {
            Self::Known(0) | Self::Nothing => Ok(None),
            Self::Known(left) => {
                *left -= 1;
                reader.token().map(Some)
            }
            Self::UntilEnd => match reader.token()? {
                Token::End => {
                    *self = Self::Nothing;
                    Ok(None)
                }
                token => Ok(Some(token)),
            },
        }
    }
}

/// The elements of a message after the port's name: where they begin, and how many there are.
#[derive(Clone, Copy)]
pub(crate) struct Rest {
    at: usize,
    left: Left,
}

/// The elements of an array.
pub(crate) struct Seq<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: Left,
}

impl<'a> Seq<'_, 'a> {
    /// Passes over the next element.
    pub(crate) fn skip(&mut self) -> Result<(), ParseError> {
        match self.left.next(self.reader)? {
            Some(token) => self.reader.skip(&token),
            None => Ok(()),
        }
    }

    /// The next element, if it is a text.
    pub(crate) fn text(&mut self) -> Result<Option<Cow<'a, str>>, ParseError> {
        Ok(match self.left.next(self.reader)? {
            Some(Token::Text(text)) => Some(text),
            Some(Token::Bytes(bytes)) if self.reader.lenient => text_of(bytes).ok(),
            _ => None,
        })
    }

    /// The elements that are left. Byte strings may share `whole`, the message's bytes.
    pub(crate) fn values(mut self, whole: &Bytes) -> Result<Values, ParseError> {
        let mut values = match self.left {
            Left::Known(len) => Values::with_capacity(len.min(MAX_RESERVE)),
            _ => Values::new(),
        };
        while let Some(token) = self.left.next(self.reader)? {
            values.push(self.reader.value(token, whole)?);
        }
        Ok(values)
    }

    /// Whether nothing is left; finds the end if it has not been seen yet.
    fn is_done(&mut self) -> Result<bool, ParseError> {
        Ok(self.left.next(self.reader)?.is_none())
    }
}

impl<'de> LoneNull<'de> for Seq<'_, '_> {
    fn is_lone_null(&self) -> bool {
        let (mut reader, mut left) = (*self.reader, self.left);
        matches!(left.next(&mut reader), Ok(Some(Token::Null)))
            && matches!(left.next(&mut reader), Ok(None))
    }
}

impl<'de> de::SeqAccess<'de> for Seq<'_, '_> {
    type Error = ParseError;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        match self.left.next(self.reader)? {
            Some(token) => seed
                .deserialize(Item {
                    reader: self.reader,
                    token,
                })
                .map(Some),
            None => Ok(None),
        }
    }
    fn size_hint(&self) -> Option<usize> {
        match self.left {
            Left::Known(left) => Some(left),
            Left::Nothing => Some(0),
            Left::UntilEnd => None,
        }
    }
}

/// The pairs of a map.
struct Pairs<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: Left,
}

impl<'de> de::MapAccess<'de> for Pairs<'_, '_> {
    type Error = ParseError;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ParseError> {
        match self.left.next(self.reader)? {
            Some(token) => seed
                .deserialize(Item {
                    reader: self.reader,
                    token,
                })
                .map(Some),
            None => Ok(None),
        }
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        let token = self.reader.token()?;
        seed.deserialize(Item {
            reader: self.reader,
            token,
        })
    }
    fn size_hint(&self) -> Option<usize> {
        match self.left {
            Left::Known(left) => Some(left),
            _ => None,
        }
    }
}

/// The value that begins with `token`, as whatever is asked for.
struct Item<'r, 'a> {
    reader: &'r mut Reader<'a>,
    token: Token<'a>,
}

impl<'a> Item<'_, 'a> {
    /// Gives the value to `visitor`. What is common is done here, the rest out of the way.
    #[inline(always)]
    fn visit<'de, V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value, ParseError> {
        match self.token {
            Token::Unsigned(n) if want != Want::Bool => visitor.visit_u64(n),
            Token::Negative(n) if n <= i64::MAX as u64 => visitor.visit_i64(!(n as i64)),
            Token::Float(x) if want == Want::Float => visitor.visit_f64(x),
            Token::Text(Cow::Borrowed(text)) if matches!(want, Want::Text | Want::Any) => {
                visitor.visit_str(text)
            }
            _ => self.visit_other(want, visitor),
        }
    }

    fn visit_other<'de, V: Visitor<'de>>(
        self,
        want: Want,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        let Self { reader, token } = self;
        let scalar = match token {
            Token::Null => Scalar::Null,
            Token::True => Scalar::Bool(true),
            Token::False => Scalar::Bool(false),
            Token::Unsigned(n) => Scalar::Integer(n.into()),
            Token::Negative(n) => Scalar::Integer(Integer::negative(n)),
            Token::Float(x) => Scalar::Float(x),
            Token::Bytes(bytes) => Scalar::Bytes(bytes),
            Token::Text(text) => Scalar::Text(text),
            Token::Array(len) => return visit_seq(reader, len, visitor),
            Token::Map(len) => {
                let left = Left::new(len);
                let mut pairs = Pairs { reader, left };
                let value = visitor.visit_map(&mut pairs)?;
                return match pairs.left.next(pairs.reader)? {
                    None => Ok(value),
                    Some(_) => Err(ParseError::new("a map has more pairs than expected")),
                };
            }
            // A type that knows what it wants has no use for a tag around it.
            Token::Tag(_) if want != Want::Any => {
                let mut token = reader.token()?;
                while matches!(token, Token::Tag(_)) {
                    token = reader.token()?;
                }
                return Item { reader, token }.visit_other(want, visitor);
            }
            Token::Simple(n) if n == u64::from(UNDEFINED) && want == Want::Other => {
                return visitor.visit_unit();
            }
            token @ (Token::Tag(_) | Token::Simple(_)) => {
                return visitor.visit_enum(Marked(Item { reader, token }));
            }
            Token::End => return Err(stray_end()),
        };
        scalar.visit(want, reader.lenient, visitor)
    }
}

fn visit_seq<'de, V: Visitor<'de>>(
    reader: &mut Reader<'_>,
    len: Option<usize>,
    visitor: V,
) -> Result<V::Value, ParseError> {
    let left = Left::new(len);
    let mut seq = Seq { reader, left };
    let value = visitor.visit_seq(&mut seq)?;
    if seq.is_done()? {
        return Ok(value);
    }
    Err(match (len, seq.left) {
        // One of those left was looked at just now.
        (Some(len), Left::Known(left)) => too_long(len, len - left - 1),
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

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        self.visit(Want::Other, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        self.visit(Want::Other, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        self.visit(Want::Other, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        self.visit(Want::Other, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        if name == TAG {
            return visitor.visit_enum(Marked(self));
        }
        let Self { reader, mut token } = self;
        while matches!(token, Token::Tag(_)) {
            token = reader.token()?;
        }
        let expected = &"the name of a variant, or a map of one from its name to its content"
            as &dyn de::Expected;
        let token = match token {
            Token::Bytes(bytes) if reader.lenient => match text_of(bytes) {
                Ok(text) => Token::Text(text),
                Err(bytes) => Token::Bytes(bytes),
            },
            other => other,
        };
        match token {
            Token::Text(text) => {
                let name: de::value::StrDeserializer<'_, ParseError> =
                    text.as_ref().into_deserializer();
                visitor.visit_enum(name)
            }
            Token::Map(len) => {
                let left = Left::new(len);
                let mut pairs = Pairs { reader, left };
                let value =
                    visitor.visit_enum(de::value::MapAccessDeserializer::new(&mut pairs))?;
                match pairs.left.next(pairs.reader)? {
                    None => Ok(value),
                    Some(_) => Err(ParseError::invalid_type(Unexpected::Map, expected)),
                }
            }
            other => Err(ParseError::invalid_type(unexpected(&other), expected)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        self.reader.skip(&self.token)?;
        visitor.visit_unit()
    }
}

/// What serde calls this kind of token in errors.
fn unexpected<'t>(token: &'t Token<'_>) -> Unexpected<'t> {
    match token {
        Token::Null => Unexpected::Unit,
        Token::True => Unexpected::Bool(true),
        Token::False => Unexpected::Bool(false),
        Token::Unsigned(n) => Unexpected::Unsigned(*n),
        Token::Negative(n) if *n <= i64::MAX as u64 => Unexpected::Signed(!(*n as i64)),
        Token::Negative(_) => Unexpected::Other("an integer below i64's range"),
        Token::Float(x) => Unexpected::Float(*x),
        Token::Bytes(bytes) => Unexpected::Bytes(bytes),
        Token::Text(text) => Unexpected::Str(text),
        Token::Array(_) | Token::End => Unexpected::Seq,
        Token::Map(_) => Unexpected::Map,
        Token::Tag(_) | Token::Simple(_) => Unexpected::Enum,
    }
}

/// A value as the enum that stands for tags and simple values.
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
        Err(ParseError::invalid_type(
            unexpected(&self.0.token),
            &"a unit",
        ))
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
            return Err(ParseError::invalid_type(unexpected(&token), &visitor));
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
        Err(ParseError::invalid_type(
            unexpected(&self.0.token),
            &visitor,
        ))
    }
}

/// A tag, then its value.
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
        seed.deserialize(Item {
            reader: self.reader,
            token,
        })
        .map(Some)
    }
}
