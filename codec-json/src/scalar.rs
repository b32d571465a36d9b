//! JSON's scalars: numbers within the exactly representable ranges, and the escapes in texts.

use aemp_core::Integer;
use aemp_core::codec::{Token, perl_float};

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

pub(crate) fn in_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Integer(Integer),
    Float(f64),
}

/// Digits that always fit into an integer.
const MAX_INTEGER_DIGITS: usize = 18;

/// The length of the number at the beginning of `bytes`, if it is complete, has no exponent and few digits before the
/// point. Does not compute its value.
#[inline(always)]
pub(crate) fn plain_number(bytes: &[u8]) -> Option<usize> {
    let digits = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let start = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(start);
    if whole == 0 || whole > MAX_INTEGER_DIGITS || (whole > 1 && bytes[start] == b'0') {
        return None;
    }
    let mut len = start + whole;
    if bytes.get(len) == Some(&b'.') {
        let fraction = digits(len + 1);
        if fraction == 0 || fraction >= MAX_FLOAT_DIGITS - MAX_INTEGER_DIGITS {
            return None;
        }
        len += 1 + fraction;
    }
    // The next byte shows that the number is complete.
    let next = bytes.get(len)?;
    (!in_number(*next)).then_some(len)
}

/// The integer at the beginning of `bytes` of a well-formed message, and its length; `None` if it has many digits or is
/// no integer. `-0` is not an integer.
#[inline(always)]
pub(crate) fn plain_integer(bytes: &[u8]) -> Option<(Token, usize)> {
    let start = usize::from(bytes.first() == Some(&b'-'));
    let (mut n, mut len) = (0, start);
    loop {
        match bytes.get(len)? {
            digit @ b'0'..=b'9' => n = n * 10 + u64::from(digit - b'0'),
            other if in_number(*other) => return None,
            _ => break,
        }
        len += 1;
        if len > MAX_INTEGER_DIGITS {
            return None;
        }
    }
    match (start, n) {
        (0, n) => Some((Token::Unsigned(n), len)),
        (_, 0) => None,
        (_, n) => Some((Token::Negative(n - 1), len)),
    }
}

/// Digits below which a float without an exponent cannot overflow; the greatest double has more.
const MAX_FLOAT_DIGITS: usize = 300;

/// Checks that `number` would succeed. Does not convert a float that cannot overflow.
pub(crate) fn check_number(text: &[u8], perl: bool) -> Result<(), String> {
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let plain = rest.len() < MAX_FLOAT_DIGITS && !rest.iter().any(|byte| byte | 0x20 == b'e');
    if digits < rest.len() && plain && is_float(rest, digits) {
        return Ok(());
    }
    number(text, perl).map(|_| ())
}

/// Parses the number `text`. A number with a point or an exponent is a float, and so is `-0`. For AnyEvent::MP nodes
/// (`perl`) the range of floats is not checked (protocol.md section 3).
pub(crate) fn number(text: &[u8], perl: bool) -> Result<Number, String> {
    let (negative, rest) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == rest.len() && digits > 0 && (rest[0] != b'0' || digits == 1) {
        return match integer(negative, rest) {
            Some(n) => Ok(n),
            None => Err(format!("the integer {} is out of range", start_of(text))),
        };
    }
    if !is_float(rest, digits) {
        return Err(format!("{} is no number", start_of(text)));
    }
    let float = std::str::from_utf8(text).ok().and_then(|text| match perl {
        true => perl_float(text),
        false => text.parse().ok().filter(|x: &f64| x.is_finite()),
    });
    match float {
        Some(x) => Ok(Number::Float(x)),
        None => Err(format!("the float {} is out of range", start_of(text))),
    }
}

fn integer(negative: bool, digits: &[u8]) -> Option<Number> {
    let mut n = 0u64;
    for digit in digits {
        n = n.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    match (negative, n) {
        (false, n) => Some(Number::Integer(n.into())),
        (true, 0) => Some(Number::Float(-0.0)),
        (true, n) if n <= 1 << 63 => Some(Number::Integer(Integer::negative(n - 1))),
        _ => None,
    }
}

/// Whether `text`, which begins with `digits` digits, is a JSON number with a fraction, an exponent or both.
fn is_float(text: &[u8], digits: usize) -> bool {
    if digits == 0 || (text[0] == b'0' && digits > 1) {
        return false;
    }
    let mut rest = &text[digits..];
    let skip_digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = skip_digits(fraction);
        if n == 0 {
            return false;
        }
        rest = &fraction[n..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        };
        return !exponent.is_empty() && skip_digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

fn start_of(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned();
    if text.len() > 40 {
        shown + "..."
    } else {
        shown
    }
}

/// The number of plain bytes at the beginning of a text: no quote, backslash or control character. Checks eight bytes
/// at a time.
#[inline]
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The lowest high bit set is at the first byte below `limit`, which is at most 0x80. Bits above that one may be false
    // positives.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let stops = below(word, 0x20) | quote | backslash;
        if stops != 0 {
            return i * 8 + stops.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |&&byte: &&u8| byte != b'"' && byte != b'\\' && byte >= 0x20;
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

/// The result of reading an escape sequence.
pub(crate) enum Escape {
    /// The length of the sequence in bytes, and its character.
    Complete(usize, char),
    /// More bytes are needed.
    Incomplete,
    Invalid(&'static str),
}

/// Reads the escape at the beginning of `bytes`, which is a backslash.
pub(crate) fn escape(bytes: &[u8]) -> Escape {
    let Some(&kind) = bytes.get(1) else {
        return Escape::Incomplete;
    };
    let c = match kind {
        b'"' | b'\\' | b'/' => kind as char,
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes),
        _ => return Escape::Invalid("a backslash begins no escape"),
    };
    Escape::Complete(2, c)
}

const LONE: Escape = Escape::Invalid("half of a surrogate pair stands alone");

fn unicode(bytes: &[u8]) -> Escape {
    let high = match hex(bytes) {
        Ok(unit) => unit,
        Err(escape) => return escape,
    };
    let wanted = match high {
        0xd800..=0xdbff => &bytes[6..],
        0xdc00..=0xdfff => return LONE,
        _ => return char::from_u32(high).map_or(LONE, |c| Escape::Complete(6, c)),
    };
    match wanted {
        [] | [b'\\'] => return Escape::Incomplete,
        [b'\\', b'u', ..] => {}
        _ => return LONE,
    }
    match hex(wanted) {
        Ok(low @ 0xdc00..=0xdfff) => {
            let c = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            c.map_or(LONE, |c| Escape::Complete(12, c))
        }
        Ok(_) => LONE,
        Err(escape) => escape,
    }
}

/// The four digits of `\uXXXX`.
fn hex(bytes: &[u8]) -> Result<u32, Escape> {
    let digits = &bytes[2..bytes.len().min(6)];
    let mut unit = 0;
    for &digit in digits {
        match (digit as char).to_digit(16) {
            Some(digit) => unit = unit << 4 | digit,
            None => return Err(Escape::Invalid("\\u is not followed by four hex digits")),
        }
    }
    if digits.len() < 4 {
        return Err(Escape::Incomplete);
    }
    Ok(unit)
}

#[cfg(test)]
mod tests {
    use super::plain_run;

    #[test]
    fn a_plain_run_ends_at_the_first_byte_that_is_not_plain() {
        for len in 0..40 {
            for at in 0..len {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    let stops = byte == b'"' || byte == b'\\' || byte < 0x20;
                    let expected = if stops { at } else { len };
                    assert_eq!(plain_run(&bytes), expected, "0x{byte:02x} at {at} of {len}");
                    // The first of several stops counts.
                    bytes[len - 1] = b'"';
                    assert_eq!(plain_run(&bytes), expected.min(len - 1));
                }
            }
        }
    }
}
