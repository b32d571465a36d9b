//! JSON's tokens for the core, read from a message that the scanner has found well-formed.

use std::borrow::Cow;

use aemp_core::codec::{Token, WireFormat};

use crate::scalar::{Escape, Number, escape, in_number, is_space, number, plain_run};

/// Reads tokens. Commas and colons are passed over: the scanner has checked them.
pub(crate) struct Tokens;

impl WireFormat for Tokens {
    fn token<'a>(&self, bytes: &'a [u8], at: &mut usize) -> Option<Token<'a>> {
        let mut start = *at;
        let first = loop {
            match bytes.get(start) {
                Some(&byte) if is_space(byte) || byte == b',' || byte == b':' => start += 1,
                Some(&byte) => break byte,
                None => return None,
            }
        };
        let rest = &bytes[start..];
        let (token, len) = match first {
            b'"' => text(rest)?,
            b'[' => (Token::Array(None), 1),
            b'{' => (Token::Map(None), 1),
            b']' | b'}' => (Token::End, 1),
            b't' => (Token::True, 4),
            b'f' => (Token::False, 5),
            b'n' => (Token::Null, 4),
            _ => {
                let len = rest.iter().take_while(|&&byte| in_number(byte)).count();
                let token = match number(&rest[..len]).ok()? {
                    Number::Integer(n) => match n.parts() {
                        Ok(n) => Token::Unsigned(n),
                        Err(n) => Token::Negative(n),
                    },
                    Number::Float(x) => Token::Float(x),
                };
                (token, len)
            }
        };
        *at = start + len;
        Some(token)
    }
}

/// The text at the beginning of `bytes` and its length there, quotes included.
fn text(bytes: &[u8]) -> Option<(Token<'_>, usize)> {
    let mut at = 1;
    let mut unescaped = String::new();
    loop {
        let len = plain_run(bytes.get(at..)?);
        let run = std::str::from_utf8(&bytes[at..at + len]).ok()?;
        at += len;
        if *bytes.get(at)? == b'"' {
            let text = if unescaped.is_empty() {
                Cow::Borrowed(run)
            } else {
                unescaped.push_str(run);
                Cow::Owned(unescaped)
            };
            // An escape makes at least one character, so that nothing is lost where `unescaped` is empty.
            return Some((Token::Text(text), at + 1));
        }
        unescaped.push_str(run);
        match escape(&bytes[at..]) {
            Escape::Whole(len, c) => {
                unescaped.push(c);
                at += len;
            }
            Escape::Cut | Escape::Wrong(_) => return None,
        }
    }
}
