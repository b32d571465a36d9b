//! CBOR's tokens for the core, read from a message that the scanner has found well-formed.

use aemp_core::codec::{Token, WireFormat};

use crate::head::Head;

/// Reads tokens.
pub(crate) struct Tokens;

impl WireFormat for Tokens {
    #[inline]
    fn token(&self, bytes: &[u8], at: &mut usize) -> Option<Token> {
        // What is most common needs no more than its first byte.
        let initial = *bytes.get(*at)?;
        let (argument, start) = match initial & 0x1f {
            info @ 0..24 => (u64::from(info), *at + 1),
            31 => return indefinite(bytes, at, initial >> 5),
            _ => {
                let head = Head::read(bytes, *at).ok()?;
                (head.argument, *at + head.len)
            }
        };
        *at = start;
        let len = usize::try_from(argument).unwrap_or(usize::MAX);
        Some(match initial >> 5 {
            0 => Token::Unsigned(argument),
            1 => Token::Negative(argument),
            2 => {
                *at = end(bytes, start, len)?;
                Token::Bytes(len)
            }
            3 => {
                *at = end(bytes, start, len)?;
                Token::Text(len)
            }
            4 => Token::Array(len),
            5 => Token::Map(len),
            6 => Token::Tag(argument),
            _ => simple(initial & 0x1f, argument),
        })
    }

    fn join(&self, string: &[u8]) -> Option<Vec<u8>> {
        let mut joined = Vec::new();
        chunks(string, &mut 0, |chunk| joined.extend_from_slice(chunk))?;
        Some(joined)
    }
}

/// Where the string of this length ends that begins at `start`.
#[inline]
fn end(bytes: &[u8], start: usize, len: usize) -> Option<usize> {
    start.checked_add(len).filter(|&end| end <= bytes.len())
}

/// What has no length in its head, which is at `at`, or the end of such a thing.
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

/// Hands out the chunks of the string of unknown length at `at`, and moves `at` behind it.
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
