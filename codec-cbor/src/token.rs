//! CBOR's tokens for the core, read from a message that the scanner has found well-formed.

use std::borrow::Cow;

use aemp_core::codec::{Token, WireFormat};

use crate::head::Head;

/// Reads tokens.
pub(crate) struct Tokens;

impl WireFormat for Tokens {
    #[inline]
    fn token<'a>(&self, bytes: &'a [u8], at: &mut usize) -> Option<Token<'a>> {
        let head = Head::read(bytes, *at).ok()?;
        *at += head.len;
        if head.is_indefinite() {
            return indefinite(bytes, at, head.major());
        }
        let argument = head.argument;
        Some(match head.major() {
            0 => Token::Unsigned(argument),
            1 => Token::Negative(argument),
            2 => Token::Bytes(Cow::Borrowed(content(bytes, at, head)?)),
            3 => {
                let text = std::str::from_utf8(content(bytes, at, head)?).ok()?;
                Token::Text(Cow::Borrowed(text))
            }
            4 => Token::Array(Some(head.length())),
            5 => Token::Map(Some(head.length())),
            6 => Token::Tag(argument),
            _ => simple(head.initial & 0x1f, argument),
        })
    }
}

/// What has no length in its head, of which `at` is behind, or the end of such a thing.
#[cold]
fn indefinite<'a>(bytes: &'a [u8], at: &mut usize, major: u8) -> Option<Token<'a>> {
    Some(match major {
        2 => Token::Bytes(chunks(bytes, at, 2)?.into()),
        3 => Token::Text(String::from_utf8(chunks(bytes, at, 3)?).ok()?.into()),
        4 => Token::Array(None),
        5 => Token::Map(None),
        _ => Token::End,
    })
}

/// Major type 7.
fn simple<'a>(info: u8, argument: u64) -> Token<'a> {
    match (info, argument) {
        (20, _) => Token::False,
        (21, _) => Token::True,
        (22, _) => Token::Null,
        (25, bits) => Token::Float(half(bits as u16)),
        (26, bits) => Token::Float(f32::from_bits(bits as u32).into()),
        (27, bits) => Token::Float(f64::from_bits(bits)),
        (_, number) => Token::Simple(number),
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

/// The content of the string whose head ends at `at`.
#[inline(always)]
fn content<'a>(bytes: &'a [u8], at: &mut usize, head: Head) -> Option<&'a [u8]> {
    let end = at.saturating_add(head.length());
    let content = bytes.get(*at..end)?;
    *at = end;
    Some(content)
}

/// The chunks of a string of unknown length, joined.
fn chunks(bytes: &[u8], at: &mut usize, major: u8) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    loop {
        let head = Head::read(bytes, *at).ok()?;
        *at += head.len;
        if head.major() == 7 && head.is_indefinite() {
            return Some(joined);
        }
        if head.major() != major || head.is_indefinite() {
            return None;
        }
        joined.extend_from_slice(content(bytes, at, head)?);
    }
}
