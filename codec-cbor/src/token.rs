//! Reads CBOR's tokens from a message that the scanner has checked.

use aemp_core::codec::{Token, TokenReader};

use crate::head::Head;

/// Reads tokens.
pub(crate) struct Tokens;

impl TokenReader for Tokens {
    #[inline]
    fn token(&self, bytes: &[u8], at: &mut usize) -> Option<Token> {
        let initial = *bytes.get(*at)?;
        let start = *at + 1;
        // Fast path: the most common items, recognised by the first byte.
        let (content, len) = match initial {
            0x00..=0x17 => {
                *at = start;
                return Some(Token::Unsigned(initial.into()));
            }
            0x18..=0x1b => return integer(bytes, at, initial).map(Token::Unsigned),
            0x20..=0x37 => {
                *at = start;
                return Some(Token::Negative((initial & 0x1f).into()));
            }
            0x38..=0x3b => return integer(bytes, at, initial).map(Token::Negative),
            0x60..=0x77 => (start, usize::from(initial & 0x1f)),
            0x78 => (start + 1, usize::from(*bytes.get(start)?)),
            0xfb => {
                let bits = bytes.get(start..)?.first_chunk()?;
                *at = start + bits.len();
                return Some(Token::Float(u64::from_be_bytes(*bits)));
            }
            _ => return other(bytes, at),
        };
        *at = end(bytes, content, len)?;
        Some(Token::Text(len))
    }

    fn join(&self, string: &[u8]) -> Option<Vec<u8>> {
        let mut joined = Vec::new();
        chunks(string, &mut 0, |chunk| joined.extend_from_slice(chunk))?;
        Some(joined)
    }
}

/// The argument of the integer at `at`, which follows its first byte.
#[inline(always)]
fn integer(bytes: &[u8], at: &mut usize, initial: u8) -> Option<u64> {
    let behind = bytes.get(*at + 1..)?;
    let (argument, len) = match initial & 3 {
        0 => (u64::from(*behind.first()?), 1),
        1 => (u16::from_be_bytes(*behind.first_chunk()?).into(), 2),
        2 => (u32::from_be_bytes(*behind.first_chunk()?).into(), 4),
        _ => (u64::from_be_bytes(*behind.first_chunk()?), 8),
    };
    *at += 1 + len;
    Some(argument)
}

/// Any token at `at`.
fn other(bytes: &[u8], at: &mut usize) -> Option<Token> {
    let head = Head::read(bytes, *at).ok()?;
    if head.is_indefinite() {
        return indefinite(bytes, at, head.major());
    }
    let start = *at + head.len;
    let len = head.length();
    *at = match head.major() {
        2 | 3 => end(bytes, start, len)?,
        _ => start,
    };
    Some(match head.major() {
        0 => Token::Unsigned(head.argument),
        1 => Token::Negative(head.argument),
        2 => Token::Bytes(len),
        3 => Token::Text(len),
        4 => Token::Array(len),
        5 => Token::Map(len),
        6 => Token::Tag(head.argument),
        _ => simple(head.initial & 0x1f, head.argument),
    })
}

/// The end of a string of length `len` that begins at `start`.
#[inline]
fn end(bytes: &[u8], start: usize, len: usize) -> Option<usize> {
    start.checked_add(len).filter(|&end| end <= bytes.len())
}

/// The token of an item of indefinite length at `at`, or of the break at its end.
#[cold]
fn indefinite(bytes: &[u8], at: &mut usize, major: u8) -> Option<Token> {
    let start = *at;
    if let 2 | 3 = major {
        chunks(bytes, at, |_| ())?;
    } else {
        *at += 1;
    }
    Some(match major {
        2 => Token::BrokenBytes(start),
        3 => Token::BrokenText(start),
        4 => Token::OpenArray,
        5 => Token::OpenMap,
        7 => Token::End,
        _ => return None,
    })
}

/// Major type 7.
#[inline]
fn simple(info: u8, argument: u64) -> Token {
    let float = |x: f64| Token::Float(x.to_bits());
    match (info, argument) {
        (27, bits) => Token::Float(bits),
        (20, _) => Token::False,
        (21, _) => Token::True,
        (22, _) => Token::Null,
        (25, bits) => float(half(bits as u16)),
        (26, bits) => float(f32::from_bits(bits as u32).into()),
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

/// Calls `each` with the chunks of the string of indefinite length at `at`. Moves `at` to its end.
fn chunks(bytes: &[u8], at: &mut usize, mut each: impl FnMut(&[u8])) -> Option<()> {
    let whole = Head::read(bytes, *at).ok()?;
    *at += whole.len;
    loop {
        let head = Head::read(bytes, *at).ok()?;
        *at += head.len;
        if head.major() == 7 && head.is_indefinite() {
            return Some(());
        }
        if head.major() != whole.major() || head.is_indefinite() {
            return None;
        }
        let end = at.checked_add(head.length())?;
        each(bytes.get(*at..end)?);
        *at = end;
    }
}
