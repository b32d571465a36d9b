//! Parses CBOR's diagnostic notation (RFC 8949 section 8), the output of `Display` of [`Value`]. It is a superset of
//! JSON, with bytes (`h'00ff'`, `b64'AP8='`), tags (`32("x:y")`), all integers from -2^64 to 2^64-1, `NaN`, `Infinity`,
//! `-Infinity`, `undefined`, `simple(99)`, and maps with any keys (`{1: "a"}`). Numbers with a point or an exponent are
//! floats, and so is `-0`, as in JSON. Encoding indicators (`_`, `_1`) are not supported.

use std::fmt::{self, Display, Formatter};

use aemp_core::codec::MAX_DEPTH;
use aemp_core::{Integer, Map, Value};
use bytes::Bytes;

/// The number of the simple value `undefined` (RFC 8949 section 3.3).
const UNDEFINED: u8 = 23;

/// Parses `text` as one value.
///
/// ```
/// use aemp::notation::parse;
/// let value = parse(r#"[1, h'00ff', {2: 32("a:b")}]"#)?;
/// assert_eq!(value.to_string(), r#"[1, h'00ff', {2: 32("a:b")}]"#);
/// let error = parse("[1, }").unwrap_err();
/// assert_eq!(error.to_string(), "column 5: expected a value, found '}'");
/// # Ok::<(), aemp::notation::NotationError>(())
/// ```
///
/// # Errors
/// If `text` is not exactly one value.
pub fn parse(text: &str) -> Result<Value, NotationError> {
    let (value, end) = read(text, 0)?;
    let mut reader = Reader { text, at: end };
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.expected("nothing more")),
    }
}

/// Parses the value that begins in `text` at the byte offset `from`. Returns it with the offset of its end. Columns in
/// errors refer to `text`.
///
/// ```
/// use aemp::notation::read;
/// let line = "send [1, 2] rest";
/// let (value, end) = read(line, 5)?;
/// assert_eq!((value.to_string().as_str(), &line[end..]), ("[1, 2]", " rest"));
/// # Ok::<(), aemp::notation::NotationError>(())
/// ```
///
/// # Errors
/// If no value begins there, or it is incomplete. Also if `from` is not a character boundary of the text.
pub fn read(text: &str, from: usize) -> Result<(Value, usize), NotationError> {
    let mut reader = Reader { text, at: from };
    reader.space();
    let value = reader.value(MAX_DEPTH)?;
    Ok((value, reader.at))
}

/// Why a text is not a value in diagnostic notation, with the column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct NotationError {
    column: usize,
    problem: Problem,
}

impl NotationError {
    /// The column of the unexpected character, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl From<NotationError> for aemp_core::Error {
    fn from(error: NotationError) -> Self {
        Self::other(error)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Expected(&'static str, Option<char>),
    Wrong(String),
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(what, Some(found)) => write!(f, "expected {what}, found {found:?}"),
            Self::Expected(what, None) => write!(f, "expected {what}, found the end"),
            Self::Wrong(why) => f.write_str(why),
        }
    }
}

/// A text and a position in it, which is a character boundary.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Skips `wanted`, if it is next. Returns whether it is.
    fn eat(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len() } else { 0 };
        there
    }

    /// Takes all characters that match `wanted`.
    fn take(&mut self, wanted: fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn space(&mut self) {
        self.take(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    /// The error that `what` was expected at the current position.
    fn expected(&self, what: &'static str) -> NotationError {
        self.error(self.at, Problem::Expected(what, self.peek()))
    }

    /// The error `why` at the position `at`.
    fn wrong(&self, at: usize, why: impl Into<String>) -> NotationError {
        self.error(at, Problem::Wrong(why.into()))
    }

    fn error(&self, at: usize, problem: Problem) -> NotationError {
        let before = self.text.get(..at).unwrap_or(self.text);
        NotationError {
            column: before.chars().count() + 1,
            problem,
        }
    }

    /// Parses a value, with at most `depth` nested levels.
    fn value(&mut self, depth: usize) -> Result<Value, NotationError> {
        let begin = self.at;
        match self.peek() {
            Some('"') => self.string().map(Value::from),
            Some('[') => self.array(self.inside(begin, depth)?),
            Some('{') => self.map(self.inside(begin, depth)?),
            Some('0'..='9' | '-') => self.number(depth),
            Some('a'..='z' | 'A'..='Z') => self.word(),
            _ => Err(self.expected("a value")),
        }
    }

    fn inside(&self, begin: usize, depth: usize) -> Result<usize, NotationError> {
        let deep = || format!("nested deeper than {MAX_DEPTH}");
        depth
            .checked_sub(1)
            .ok_or_else(|| self.wrong(begin, deep()))
    }

    fn array(&mut self, depth: usize) -> Result<Value, NotationError> {
        let mut items = Vec::new();
        self.list("]", "',' or ']'", |reader| {
            items.push(reader.value(depth)?);
            Ok(())
        })?;
        Ok(items.into())
    }

    fn map(&mut self, depth: usize) -> Result<Value, NotationError> {
        let mut pairs = Vec::new();
        self.list("}", "',' or '}'", |reader| {
            let key = reader.value(depth)?;
            reader.space();
            if !reader.eat(":") {
                return Err(reader.expected("':'"));
            }
            reader.space();
            pairs.push((key, reader.value(depth)?));
            Ok(())
        })?;
        Ok(Map::from(pairs).into())
    }

    /// Parses a comma-separated list, from its opening bracket to `end`.
    fn list(
        &mut self,
        end: &str,
        more: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<(), NotationError>,
    ) -> Result<(), NotationError> {
        self.next();
        self.space();
        if self.eat(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.space();
            if self.eat(end) {
                return Ok(());
            }
            if !self.eat(",") {
                return Err(self.expected(more));
            }
            self.space();
        }
    }

    /// Parses a number, or a tag, which begins with a number.
    fn number(&mut self, depth: usize) -> Result<Value, NotationError> {
        let begin = self.at;
        let negative = self.eat("-");
        if negative && self.eat("Infinity") {
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(self.wrong(begin, "a number does not begin with 0"));
        }
        let mut float = negative && whole == "0";
        if self.eat(".") {
            float = true;
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            float = true;
            let _ = self.eat("-") || self.eat("+");
            self.digits()?;
        }
        let number = &self.text[begin..self.at];
        if float {
            let float = number.parse().ok().filter(|x: &f64| x.is_finite());
            return float
                .map(Value::Float)
                .ok_or_else(|| self.wrong(begin, format!("{number} is too large for a float")));
        }
        if !negative && self.peek() == Some('(') {
            let tag = number
                .parse()
                .map_err(|_| self.wrong(begin, format!("a tag is at most {}", u64::MAX)))?;
            let inside = self.inside(begin, depth)?;
            let value = self.in_parentheses(|reader| reader.value(inside))?;
            return Ok(Value::Tag(tag, Box::new(value)));
        }
        let integer = number.parse::<i128>().ok();
        let integer = integer.and_then(|n| Integer::try_from(n).ok());
        integer.map(Value::Integer).ok_or_else(|| {
            let (min, max) = (Integer::MIN, Integer::MAX);
            self.wrong(begin, format!("an integer is from {min} to {max}"))
        })
    }

    fn digits(&mut self) -> Result<&'a str, NotationError> {
        match self.take(|c| c.is_ascii_digit()) {
            "" => Err(self.expected("a digit")),
            digits => Ok(digits),
        }
    }

    fn in_parentheses<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, NotationError>,
    ) -> Result<T, NotationError> {
        if !self.eat("(") {
            return Err(self.expected("'('"));
        }
        self.space();
        let inside = read(self)?;
        self.space();
        match self.eat(")") {
            true => Ok(inside),
            false => Err(self.expected("')'")),
        }
    }

    fn word(&mut self) -> Result<Value, NotationError> {
        let begin = self.at;
        Ok(match self.take(|c| c.is_ascii_alphanumeric()) {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "undefined" => Value::Simple(UNDEFINED),
            "NaN" => Value::Float(f64::NAN),
            "Infinity" => Value::Float(f64::INFINITY),
            "simple" => return self.in_parentheses(Self::simple),
            "h" => return self.bytes(16, hex),
            "b64" => return self.bytes(64, base64),
            _ => {
                self.at = begin;
                return Err(self.expected("a value (texts stand in quotation marks)"));
            }
        })
    }

    fn simple(&mut self) -> Result<Value, NotationError> {
        let begin = self.at;
        // 20 to 22 are false, true and null; 24 to 31 are reserved (RFC 8949 section 3.3).
        match self.digits()?.parse() {
            Ok(20) => Ok(Value::Bool(false)),
            Ok(21) => Ok(Value::Bool(true)),
            Ok(22) => Ok(Value::Null),
            Ok(n @ (0..=19 | 23 | 32..)) => Ok(Value::Simple(n)),
            _ => Err(self.wrong(begin, "a simple value is from 0 to 23 or from 32 to 255")),
        }
    }

    /// Parses bytes in quotation marks, as digits of the given base.
    fn bytes(&mut self, base: u32, digit: fn(char) -> Option<u32>) -> Result<Value, NotationError> {
        if !self.eat("'") {
            return Err(self.expected("a quotation mark (')"));
        }
        let begin = self.at;
        let bits = base.ilog2();
        let (mut bytes, mut held, mut have) = (Vec::new(), 0u32, 0);
        let mut padded = false;
        loop {
            let at = self.at;
            match self.next() {
                Some('\'') => break,
                Some(' ') => {}
                Some('=') if base == 64 => padded = true,
                Some(c) if !padded && digit(c).is_some() => {
                    held = held << bits | digit(c).unwrap_or_default();
                    have += bits;
                    if have >= 8 {
                        have -= 8;
                        // Only the remaining bits are kept, so `held` does not overflow.
                        bytes.push((held >> have) as u8);
                        held &= (1 << have) - 1;
                    }
                }
                _ => {
                    self.at = at;
                    return Err(self.expected("a digit of the bytes or a quotation mark (')"));
                }
            }
        }
        if have >= bits || held != 0 {
            return Err(self.wrong(begin, "the last byte is not complete"));
        }
        Ok(Bytes::from(bytes).into())
    }

    /// Parses a text in quotation marks, with JSON's escapes.
    fn string(&mut self) -> Result<String, NotationError> {
        self.next();
        let mut text = String::new();
        loop {
            text.push_str(self.take(|c| !matches!(c, '"' | '\\' | '\0'..='\x1f')));
            if self.eat("\"") {
                return Ok(text);
            }
            if !self.eat("\\") {
                return Err(match self.peek() {
                    None => self.expected("a quotation mark (\")"),
                    Some(_) => self.expected("an escape such as \\n or \\u0000"),
                });
            }
            let at = self.at;
            text.push(match self.next() {
                Some(c @ ('"' | '\\' | '/')) => c,
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('b') => '\x08',
                Some('f') => '\x0c',
                Some('u') => self.escaped(at)?,
                _ => {
                    self.at = at;
                    return Err(self.expected("one of \" \\ / n r t b f u"));
                }
            });
        }
    }

    /// Parses the digits after `\u`. A surrogate pair of two such escapes is one character.
    fn escaped(&mut self, begin: usize) -> Result<char, NotationError> {
        let mut code = self.four_digits()?;
        if matches!(code, 0xd800..=0xdbff) && self.eat("\\u") {
            let low = self.four_digits()?;
            if matches!(low, 0xdc00..=0xdfff) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(code)
            .ok_or_else(|| self.wrong(begin, "half of a surrogate pair is no character"))
    }

    fn four_digits(&mut self) -> Result<u32, NotationError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(hex);
            code = code << 4 | digit.ok_or_else(|| self.expected("four hex digits"))?;
            self.next();
        }
        Ok(code)
    }
}

fn hex(c: char) -> Option<u32> {
    c.to_digit(16)
}

/// A base64 digit of either alphabet (RFC 4648 sections 4 and 5).
fn base64(c: char) -> Option<u32> {
    Some(match c {
        'A'..='Z' => u32::from(c) - u32::from('A'),
        'a'..='z' => u32::from(c) - u32::from('a') + 26,
        '0'..='9' => u32::from(c) - u32::from('0') + 52,
        '+' | '-' => 62,
        '/' | '_' => 63,
        _ => return None,
    })
}
