//! Integers of a JSON text that a value does not hold exactly.

use std::str;

/// An integer and its position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// From 1.
    pub(crate) line: usize,
    /// In bytes, from 1.
    pub(crate) column: usize,
    pub(crate) number: String,
}

/// The first integer of `text`, which is valid JSON, that has neither 64 bits with a sign nor without. It is read as a float.
pub(crate) fn beyond_64_bits(text: &[u8]) -> Option<Found> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let len = match rest[0] {
            b'"' => string(rest),
            b'-' | b'0'..=b'9' => {
                let len = number(rest);
                if !is_exact(&rest[..len]) {
                    return Some(found(text, at, &rest[..len]));
                }
                len
            }
            _ => 1,
        };
        at += len;
    }
    None
}

/// The length of the string that `text` begins with.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of the number that `text` begins with.
fn number(text: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    text.iter().take_while(|byte| is_part(byte)).count()
}

/// Whether it is a float, or an integer of 64 bits.
fn is_exact(number: &[u8]) -> bool {
    let text = str::from_utf8(number).unwrap_or_default();
    text.contains(['.', 'e', 'E']) || text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok()
}

fn found(text: &[u8], at: usize, number: &[u8]) -> Found {
    let before = &text[..at];
    let line_start = before.iter().rposition(|byte| *byte == b'\n');
    Found {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: at - line_start.map_or(0, |newline| newline + 1) + 1,
        number: String::from_utf8_lossy(number).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_integers_beyond_64_bits_are_found() {
        for exact in [
            "[0, -1, 18446744073709551615, -9223372036854775808]",
            r#"{"18446744073709551616": "\"18446744073709551616"}"#,
            "[1.5, 1e30, 100000000000000000000.0]",
        ] {
            assert_eq!(beyond_64_bits(exact.as_bytes()), None, "{exact}");
        }
        for (text, line, column, number) in [
            ("18446744073709551616", 1, 1, "18446744073709551616"),
            (
                "{\n \"a\\\\\": [-9223372036854775809]}",
                2,
                10,
                "-9223372036854775809",
            ),
        ] {
            let number = number.to_owned();
            let expected = Found {
                line,
                column,
                number,
            };
            assert_eq!(beyond_64_bits(text.as_bytes()), Some(expected), "{text}");
        }
    }
}
