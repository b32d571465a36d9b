//! Reads JSON's tokens from a message that the scanner has checked.

use aemp_core::codec::{Token, TokenReader};

use crate::scalar::{
    Escape, Number, escape, in_number, is_space, number, plain_integer, plain_run,
};

/// Reads tokens. Commas and colons are skipped, since the scanner has checked them.
pub(crate) struct Tokens {
    /// Whether the peer is an AnyEvent::MP node.
    perl: bool,
}

/// Reads messages of AnyEvent::MP nodes.
pub(crate) static PERL: Tokens = Tokens { perl: true };
/// Reads messages of all other nodes.
pub(crate) static OTHERS: Tokens = Tokens { perl: false };

impl TokenReader for Tokens {
    fn token(&self, bytes: &[u8], at: &mut usize) -> Option<Token> {
        let mut start = *at;
        let first = loop {
            match *bytes.get(start)? {
                b',' | b':' => start += 1,
                byte if is_space(byte) => start += 1,
                byte => break byte,
            }
        };
        let (token, len) = match first {
            b'"' => return text(bytes, start, at),
            b'[' => (Token::OpenArray, 1),
            b'{' => (Token::OpenMap, 1),
            b']' | b'}' => (Token::End, 1),
            b't' => (Token::True, 4),
            b'f' => (Token::False, 5),
            b'n' => (Token::Null, 4),
            _ => {
                let rest = &bytes[start..];
                match plain_integer(rest) {
                    Some(integer) => integer,
                    None => any_number(rest, self.perl)?,
                }
            }
        };
        *at = start + len;
        Some(token)
    }

    fn join(&self, string: &[u8]) -> Option<Vec<u8>> {
        let mut joined = String::new();
        let mut at = 1;
        loop {
            let len = plain_run(string.get(at..)?);
            joined.push_str(std::str::from_utf8(&string[at..at + len]).ok()?);
            at += len;
            if *string.get(at)? == b'"' {
                return Some(joined.into_bytes());
            }
            match escape(&string[at..]) {
                Escape::Complete(len, c) => {
                    joined.push(c);
                    at += len;
                }
                Escape::Incomplete | Escape::Invalid(_) => return None,
            }
        }
    }
}

/// The number at the beginning of `bytes`, and its length.
fn any_number(bytes: &[u8], perl: bool) -> Option<(Token, usize)> {
    let len = bytes.iter().take_while(|&&byte| in_number(byte)).count();
    let token = match number(&bytes[..len], perl).ok()? {
        Number::Integer(n) => match n.parts() {
            Ok(n) => Token::Unsigned(n),
            Err(n) => Token::Negative(n),
        },
        Number::Float(x) => Token::Float(x.to_bits()),
    };
    Some((token, len))
}

/// The text whose first quote is at `start`. Moves `at` to its end.
#[inline]
fn text(bytes: &[u8], start: usize, at: &mut usize) -> Option<Token> {
    let len = plain_run(&bytes[start + 1..]);
    let mut end = start + 1 + len;
    if *bytes.get(end)? == b'"' {
        *at = end + 1;
        return Some(Token::Quoted(len));
    }
    while *bytes.get(end)? != b'"' {
        // Skip the backslash and the escaped byte, which cannot end the text.
        end += 2;
        end += plain_run(bytes.get(end..)?);
    }
    *at = end + 1;
    Some(Token::BrokenText(start))
}
