//! Reads messages token by token: finds the elements, and builds `Value`s from them. `typed` parses them into Rust
//! types.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{self, Error as _, Unexpected};

use super::typed::{Item, untagged};
use super::{Token, TokenReader};
use crate::value::scalar::{Scalar, text_of};
use crate::value::{Integer, MAX_RESERVE, Map, ParseError, Value, Values};

mod access;

pub(super) use access::Pairs;

/// A byte string of at least this length that is more than half of the message shares the message's bytes. Others are
/// copied, so that a small part does not keep a whole message in memory.
const SHARE: usize = 1024;

/// A position in the bytes of a message, with the format of the bytes.
pub(crate) struct Reader<'a, F: TokenReader + ?Sized = dyn TokenReader> {
    format: &'a F,
    bytes: &'a [u8],
    /// The position after the last token. The content of that token is found relative to it.
    at: usize,
    /// Whether to read the message as one of an AnyEvent::MP node; see `Scalar::visit`.
    pub(super) lenient: bool,
    /// Whether byte strings remain byte strings in values, except ASCII ones.
    as_written: bool,
}

impl<F: TokenReader + ?Sized> Clone for Reader<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: TokenReader + ?Sized> Copy for Reader<'_, F> {}

impl<'a, F: TokenReader + ?Sized> Reader<'a, F> {
    #[inline]
    pub(crate) fn new(format: &'a F, bytes: &'a [u8], lenient: bool) -> Self {
        Self {
            format,
            bytes,
            at: 0,
            lenient,
            as_written: false,
        }
    }

    /// The same, for values that are relayed to another AnyEvent::MP node.
    pub(crate) fn as_written(self) -> Self {
        Self {
            as_written: true,
            ..self
        }
    }

    #[inline(always)]
    pub(super) fn token(&mut self) -> Result<Token, ParseError> {
        match self.format.token(self.bytes, &mut self.at) {
            Some(token) => Ok(token),
            None => Err(unreadable()),
        }
    }

    /// The `len` bytes that end `before` bytes before the end of the last token.
    #[inline(always)]
    fn content(&self, len: usize, before: usize) -> Result<&'a [u8], ParseError> {
        let end = self.at.wrapping_sub(before);
        match self.bytes.get(end.wrapping_sub(len)..end) {
            Some(content) => Ok(content),
            None => Err(unreadable()),
        }
    }

    /// The same bytes as a text.
    #[inline(always)]
    pub(super) fn text(&self, len: usize, before: usize) -> Result<&'a str, ParseError> {
        match std::str::from_utf8(self.content(len, before)?) {
            Ok(text) => Ok(text),
            Err(_) => Err(unreadable()),
        }
    }

    /// The content of the last token, a string in several parts that begins at `start`.
    #[cold]
    fn broken(&self, start: usize) -> Result<Vec<u8>, ParseError> {
        let string = self.bytes.get(start..self.at);
        string
            .and_then(|string| self.format.join(string))
            .ok_or_else(unreadable)
    }

    /// The integer that `token` is; `None` in a message of an AnyEvent::MP node, where it is a text as well.
    #[inline(always)]
    fn integer(&self, token: Token) -> Option<Integer> {
        match token {
            Token::Unsigned(n) if !self.lenient => Some(n.into()),
            Token::Negative(n) if !self.lenient => Some(Integer::negative(n)),
            Token::Tag(_) => self.tagged_integer(token),
            _ => None,
        }
    }

    /// The integer inside the tags that `token` begins.
    #[cold]
    fn tagged_integer(&self, token: Token) -> Option<Integer> {
        let mut ahead = *self;
        let token = untagged(&mut ahead, token).ok()?;
        ahead.integer(token)
    }

    /// The last token, `token`, as a text, if it is one or, in a message of an AnyEvent::MP node, counts as one.
    pub(super) fn scalar_text(&self, token: Token) -> Result<Option<Cow<'a, str>>, ParseError> {
        let scalar = self.scalar(token)?;
        Ok(scalar.and_then(|scalar| scalar.text(self.lenient)))
    }

    /// The last token, `token`, as a scalar, if it is one.
    pub(super) fn scalar(&self, token: Token) -> Result<Option<Scalar<'a>>, ParseError> {
        Ok(Some(match token {
            Token::Null => Scalar::Null,
            Token::True => Scalar::Bool(true),
            Token::False => Scalar::Bool(false),
            Token::Unsigned(n) => Scalar::Integer(n.into()),
            Token::Negative(n) => Scalar::Integer(Integer::negative(n)),
            Token::Float(bits) => Scalar::Float(f64::from_bits(bits)),
            Token::Bytes(len) => Scalar::Bytes(self.content(len, 0)?.into()),
            Token::Text(len) => Scalar::Text(self.text(len, 0)?.into()),
            Token::Quoted(len) => Scalar::Text(self.text(len, 1)?.into()),
            Token::BrokenBytes(start) => Scalar::Bytes(self.broken(start)?.into()),
            Token::BrokenText(start) => {
                let text = String::from_utf8(self.broken(start)?);
                Scalar::Text(text.map_err(|_| unreadable())?.into())
            }
            _ => return Ok(None),
        }))
    }

    /// The error for the last token, `token`, which does not fit the type.
    #[cold]
    pub(super) fn mismatch(&self, token: Token, expected: &dyn de::Expected) -> ParseError {
        let scalar = match self.scalar(token) {
            Ok(scalar) => scalar,
            Err(error) => return error,
        };
        let found = match (&scalar, token) {
            (Some(scalar), _) => scalar.unexpected(),
            (_, Token::Map(_) | Token::OpenMap) => Unexpected::Map,
            (_, Token::Tag(_) | Token::Simple(_)) => Unexpected::Enum,
            _ => Unexpected::Seq,
        };
        ParseError::invalid_type(found, expected)
    }

    /// The name of the port, which precedes the elements; where the elements begin; and whether the name is a string, whose
    /// end does not depend on the bytes after it. `None` for an empty array.
    #[inline(always)]
    pub(crate) fn port(mut self) -> Result<Option<(Cow<'a, str>, Rest, bool)>, ParseError> {
        let token = self.token()?;
        let Some(mut left) = Left::of_array(token) else {
            return Err(self.mismatch(token, &"an array"));
        };
        let (port, is_string) = match left.next(&mut self)? {
            None => return Ok(None),
            Some(Token::Text(len)) => (self.text(len, 0)?.into(), true),
            Some(Token::Quoted(len)) => (self.text(len, 1)?.into(), true),
            Some(token) => (self.rare_port(token)?, false),
        };
        let at = self.at;
        Ok(Some((port, Rest { at, left }, is_string)))
    }

    #[cold]
    fn rare_port(&self, token: Token) -> Result<Cow<'a, str>, ParseError> {
        let scalar = self.scalar(token)?;
        let text = scalar.and_then(|scalar| scalar.text(self.lenient));
        text.ok_or_else(|| self.mismatch(token, &"a text"))
    }
}

impl<'a> Reader<'a> {
    /// The elements that begin at `rest`.
    pub(crate) fn elements(&mut self, rest: Rest) -> Seq<'_, 'a> {
        self.at = rest.at;
        Seq {
            reader: self,
            left: rest.left,
        }
    }

    /// Builds the value that begins with `token`. Byte strings may share `whole`, the bytes of the message.
    fn value(&mut self, token: Token, whole: Option<&Bytes>) -> Result<Value, ParseError> {
        if let Some(mut left) = Left::of_array(token) {
            let mut items = Vec::with_capacity(left.to_reserve());
            while let Some(token) = left.next(self)? {
                items.push(self.value(token, whole)?);
            }
            return Ok(Value::from(items));
        }
        if let Some(mut left) = Left::of_map(token) {
            let mut pairs = Vec::with_capacity(left.to_reserve());
            while let Some(token) = left.next(self)? {
                let key = self.value(token, whole)?;
                let token = self.token()?;
                pairs.push((key, self.value(token, whole)?));
            }
            return Ok(Value::Map(Map::from(pairs)));
        }
        Ok(match token {
            Token::Unsigned(n) => Value::Integer(n.into()),
            Token::Text(len) => Value::from(self.text(len, 0)?),
            Token::Quoted(len) => Value::from(self.text(len, 1)?),
            Token::Tag(tag) => {
                let token = self.token()?;
                Value::Tag(tag, Box::new(self.value(token, whole)?))
            }
            Token::Simple(n) => Value::Simple(n as u8),
            other => match self.scalar(other)? {
                None => return Err(stray_end()),
                Some(Scalar::Null) => Value::Null,
                Some(Scalar::Bool(b)) => Value::Bool(b),
                Some(Scalar::Integer(n)) => Value::Integer(n),
                Some(Scalar::Float(x)) => Value::Float(x),
                Some(Scalar::Text(text)) => Value::from(text),
                Some(Scalar::Bytes(bytes)) if self.as_written && !bytes.is_ascii() => {
                    share(bytes, whole)
                }
                Some(Scalar::Bytes(bytes)) if self.lenient => match text_of(bytes) {
                    Ok(text) => Value::from(text),
                    Err(bytes) => share(bytes, whole),
                },
                Some(Scalar::Bytes(bytes)) => share(bytes, whole),
            },
        })
    }

    /// The deserializer for the value that begins with `token`, the last token.
    #[inline(always)]
    pub(super) fn item(&mut self, token: Token) -> Item<'_, 'a> {
        Item {
            reader: self,
            token,
        }
    }

    /// Skips the rest of the value that began with `token`.
    pub(super) fn skip(&mut self, token: Token) -> Result<(), ParseError> {
        if let Some(mut left) = Left::of_array(token) {
            while let Some(token) = left.next(self)? {
                self.skip(token)?;
            }
        } else if let Some(mut left) = Left::of_map(token) {
            while let Some(token) = left.next(self)? {
                self.skip(token)?;
                let token = self.token()?;
                self.skip(token)?;
            }
        } else if let Token::Tag(_) = token {
            let token = self.token()?;
            self.skip(token)?;
        } else if token == Token::End {
            return Err(stray_end());
        }
        Ok(())
    }
}

fn share(bytes: Cow<'_, [u8]>, whole: Option<&Bytes>) -> Value {
    Value::from(match (bytes, whole) {
        (Cow::Owned(bytes), _) => bytes.into(),
        (Cow::Borrowed(bytes), Some(whole))
            if bytes.len() >= SHARE && bytes.len() >= whole.len() / 2 =>
        {
            whole.slice_ref(bytes)
        }
        (Cow::Borrowed(bytes), _) => Bytes::copy_from_slice(bytes),
    })
}

#[cold]
fn unreadable() -> ParseError {
    ParseError::new("the codec cannot read what it has accepted")
}

pub(super) fn stray_end() -> ParseError {
    ParseError::new("an array or a map ends where a value was expected")
}

/// The remaining elements of an array, or pairs of a map: a number of them, or those up to an end token. One integer,
/// so that it stays in a register.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left(usize);

impl Left {
    /// No message has so many values.
    const UNTIL_END: Self = Self(usize::MAX);

    /// The elements of the array that begins with `token`, if one does.
    #[inline(always)]
    pub(super) fn of_array(token: Token) -> Option<Self> {
        match token {
            Token::Array(len) => Some(Self(len)),
            Token::OpenArray => Some(Self::UNTIL_END),
            _ => None,
        }
    }

    /// The pairs of the map that begins with `token`, if one does.
    #[inline(always)]
    pub(super) fn of_map(token: Token) -> Option<Self> {
        match token {
            Token::Map(len) => Some(Self(len)),
            Token::OpenMap => Some(Self::UNTIL_END),
            _ => None,
        }
    }

    /// The number, if it is known.
    #[inline(always)]
    pub(super) fn known(self) -> Option<usize> {
        (self.0 != Self::UNTIL_END.0).then_some(self.0)
    }

    /// The number for which memory is reserved.
    fn to_reserve(self) -> usize {
        self.known().unwrap_or(0).min(MAX_RESERVE)
    }

    /// The first token of the next element or key.
    #[inline(always)]
    pub(super) fn next<F: TokenReader + ?Sized>(
        &mut self,
        reader: &mut Reader<'_, F>,
    ) -> Result<Option<Token>, ParseError> {
        if self.0 == 0 {
            return Ok(None);
        }
        let token = reader.token()?;
        if self.known().is_some() {
            self.0 -= 1;
        } else if token == Token::End {
            self.0 = 0;
            return Ok(None);
        }
        Ok(Some(token))
    }
}

/// The elements of a message after the port's name: their position and their number.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    at: usize,
    left: Left,
}

impl Rest {
    /// The position of the elements, and their number if it is known.
    #[inline]
    pub fn parts(self) -> (usize, Option<usize>) {
        (self.at, self.left.known())
    }

    /// The reverse of [`parts`](Self::parts).
    #[inline]
    pub fn new(at: usize, len: Option<usize>) -> Self {
        let left = len.map_or(Left::UNTIL_END, Left);
        Self { at, left }
    }
}

/// The elements of an array.
pub(crate) struct Seq<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) left: Left,
}

impl<'a> Seq<'_, 'a> {
    /// Skips the next element.
    pub(crate) fn skip(&mut self) -> Result<(), ParseError> {
        match self.left.next(self.reader)? {
            Some(token) => self.reader.skip(token),
            None => Ok(()),
        }
    }

    /// The position of the remaining elements.
    pub(crate) fn rest(&self) -> Rest {
        Rest {
            at: self.reader.at,
            left: self.left,
        }
    }

    /// The next element, if it is a text.
    pub(crate) fn text(&mut self) -> Result<Option<Cow<'a, str>>, ParseError> {
        Ok(match self.left.next(self.reader)? {
            None => None,
            Some(Token::Text(len)) => Some(self.reader.text(len, 0)?.into()),
            Some(Token::Quoted(len)) => Some(self.reader.text(len, 1)?.into()),
            Some(token) => self.reader.scalar_text(token)?,
        })
    }

    /// The remaining elements as values. Byte strings may share `whole`, the bytes of the message.
    pub(crate) fn values(mut self, whole: Option<&Bytes>) -> Result<Values, ParseError> {
        let mut values = Values::with_capacity(self.left.to_reserve());
        while let Some(token) = self.left.next(self.reader)? {
            values.push(self.reader.value(token, whole)?);
        }
        Ok(values)
    }

    /// Whether no element remains. Reads the end token if that has not been read yet.
    pub(super) fn is_done(&mut self) -> Result<bool, ParseError> {
        Ok(self.left.next(self.reader)?.is_none())
    }
}
