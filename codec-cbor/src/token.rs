//! CBOR's tokens for the core, read from a message that the scanner has found well-formed.

use std::borrow::Cow;

use aemp_core::Integer;
use aemp_core::codec::{Token, WireFormat};

use crate::head::Head;

/// Reads tokens.
pub(crate) struct Tokens;

impl WireFormat for Tokens {
    #[inline]
    fn token<'a>(&self, bytes: &'a [u8], at: &mut usize) -> Option<Token<'a>> {
        let head = Head::read(bytes, *at).ok()?;
        *at += head.len;
        let Some(argument) = head.argument else {
            return match head.major {
                2 => chunks(bytes, at, 2).map(|bytes| Token::Bytes(bytes.into())),
                3 => {
                    let text = String::from_utf8(chunks(bytes, at, 3)?).ok()?;
                    Some(Token::Text(text.into()))
                }
                4 => Some(Token::Array(None)),
                5 => Some(Token::Map(None)),
                _ => Some(Token::End),
            };
        };
        Some(match head.major {
            0 => Token::Integer(argument.into()),
            1 => Token::Integer(Integer::negative(argument)),
            2 => Token::Bytes(Cow::Borrowed(content(bytes, at, argument)?)),
            3 => {
                let text = std::str::from_utf8(content(bytes, at, argument)?).ok()?;
                Token::Text(Cow::Borrowed(text))
            }
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

/// The next `len` bytes.
#[inline]
fn content<'a>(bytes: &'a [u8], at: &mut usize, len: u64) -> Option<&'a [u8]> {
    let start = *at;
    let end = start.saturating_add(length(len));
    let content = bytes.get(start..end)?;
    *at = end;
    Some(content)
}

/// The chunks of a string of unknown length, joined.
fn chunks(bytes: &[u8], at: &mut usize, major: u8) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    loop {
        let head = Head::read(bytes, *at).ok()?;
        *at += head.len;
        match head.argument {
            None if head.major == 7 => return Some(joined),
            Some(len) if head.major == major => {
                joined.extend_from_slice(content(bytes, at, len)?);
            }
            _ => return None,
        }
    }
}
