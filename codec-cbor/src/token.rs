//! CBOR's tokens for the core, read from a message that the scanner has found well-formed.

use std::borrow::Cow;

use aemp_core::Integer;
use aemp_core::codec::{DecodeError, Token, WireFormat};

use crate::NAME;
use crate::head::{Head, NoHead};

/// Reads tokens.
pub(crate) struct Tokens;

impl WireFormat for Tokens {
    #[inline]
    fn token<'a>(&self, bytes: &'a [u8], at: &mut usize) -> Result<Token<'a>, DecodeError> {
        let start = *at;
        let head = head(bytes, start)?;
        *at += head.len;
        let Some(argument) = head.argument else {
            return match head.major {
                2 => chunks(bytes, at, 2).map(|bytes| Token::Bytes(bytes.into())),
                3 => match String::from_utf8(chunks(bytes, at, 3)?) {
                    Ok(text) => Ok(Token::Text(text.into())),
                    Err(_) => Err(fault(start, "a text is not UTF-8")),
                },
                4 => Ok(Token::Array(None)),
                5 => Ok(Token::Map(None)),
                _ => Ok(Token::End),
            };
        };
        Ok(match head.major {
            0 => Token::Integer(argument.into()),
            1 => Token::Integer(Integer::negative(argument)),
            2 => Token::Bytes(Cow::Borrowed(content(bytes, at, argument)?)),
            3 => match std::str::from_utf8(content(bytes, at, argument)?) {
                Ok(text) => Token::Text(Cow::Borrowed(text)),
                Err(_) => return Err(fault(start, "a text is not UTF-8")),
            },
            4 => Token::Array(Some(length(argument))),
            5 => Token::Map(Some(length(argument))),
            6 => Token::Tag(argument),
            _ => simple(head.info, argument),
        })
    }
}

/// Major type 7.
fn simple<'a>(info: u8, argument: u64) -> Token<'a> {
    match (info, argument) {
        (20, _) => Token::Bool(false),
        (21, _) => Token::Bool(true),
        (22, _) => Token::Null,
        (25, bits) => Token::Float(half(bits as u16)),
        (26, bits) => Token::Float(f32::from_bits(bits as u32).into()),
        (27, bits) => Token::Float(f64::from_bits(bits)),
        (_, number) => Token::Simple(number as u8),
    }
}

/// A half-precision float (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let size = match bits >> 10 & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (fraction + 1024.0) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}

fn length(argument: u64) -> usize {
    usize::try_from(argument).unwrap_or(usize::MAX)
}

#[inline]
fn head(bytes: &[u8], at: usize) -> Result<Head, DecodeError> {
    Head::read(bytes, at).map_err(|error| match error {
        NoHead::Cut(_) => fault(at, "it ends too early"),
        NoHead::Wrong(what) => fault(at, &what),
    })
}

/// The next `len` bytes.
#[inline]
fn content<'a>(bytes: &'a [u8], at: &mut usize, len: u64) -> Result<&'a [u8], DecodeError> {
    let start = *at;
    let end = start.saturating_add(length(len));
    let content = bytes
        .get(start..end)
        .ok_or_else(|| fault(start, "it ends too early"))?;
    *at = end;
    Ok(content)
}

/// The chunks of a string of unknown length, joined.
fn chunks(bytes: &[u8], at: &mut usize, major: u8) -> Result<Vec<u8>, DecodeError> {
    let mut joined = Vec::new();
    loop {
        let start = *at;
        let head = head(bytes, start)?;
        *at += head.len;
        match head.argument {
            None if head.major == 7 => return Ok(joined),
            Some(len) if head.major == major => {
                joined.extend_from_slice(content(bytes, at, len)?);
            }
            _ => return Err(fault(start, "a string has a chunk of another kind")),
        }
    }
}

fn fault(at: usize, what: &str) -> DecodeError {
    DecodeError::Malformed {
        at,
        what: what.to_owned(),
        codec: NAME.into(),
    }
}
