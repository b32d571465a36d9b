//! Reading messages token by token: where the elements are, and what they are as `Value`s. `typed` has the way
//! into Rust types.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Error as _};

use super::typed::{Item, unexpected};
use super::{Token, WireFormat};
use crate::message::{LoneNull, ParseError, Values};
use crate::value::scalar::text_of;
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
    pub(super) lenient: bool,
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
    pub(super) fn token(&mut self) -> Result<Token<'a>, ParseError> {
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
                Value::from(items)
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
    pub(super) fn skip(&mut self, token: &Token<'a>) -> Result<(), ParseError> {
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
    Value::from(match bytes {
        Cow::Owned(bytes) => bytes.into(),
        Cow::Borrowed(bytes) if bytes.len() >= SHARE => whole.slice_ref(bytes),
        Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
    })
}

#[cold]
fn unreadable() -> ParseError {
    ParseError::new("the codec cannot read what it has accepted")
}

pub(super) fn stray_end() -> ParseError {
    ParseError::new("an array or a map ends where a value was expected")
}

/// How much of an array or a map is left.
#[derive(Clone, Copy)]
pub(super) enum Left {
    Known(usize),
    UntilEnd,
    Nothing,
}

impl Left {
    pub(super) fn new(len: Option<usize>) -> Self {
        len.map_or(Self::UntilEnd, Self::Known)
    }

    /// The first token of the next element or key.
    #[inline(always)]
    pub(super) fn next<'a>(
        &mut self,
        reader: &mut Reader<'a>,
    ) -> Result<Option<Token<'a>>, ParseError> {
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

impl Rest {
    /// Where the elements begin, and how many there are; none if that is not known.
    #[inline]
    pub(crate) fn parts(self) -> (usize, Option<usize>) {
        match self.left {
            Left::Known(len) => (self.at, Some(len)),
            Left::UntilEnd => (self.at, None),
            Left::Nothing => (self.at, Some(0)),
        }
    }

    /// What [`parts`](Self::parts) was made from.
    #[inline]
    pub(crate) fn of(at: usize, len: Option<usize>) -> Self {
        let left = Left::new(len);
        Self { at, left }
    }
}

/// The elements of an array.
pub(crate) struct Seq<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) left: Left,
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
    pub(super) fn is_done(&mut self) -> Result<bool, ParseError> {
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
pub(super) struct Pairs<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) left: Left,
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
