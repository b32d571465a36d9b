//! JSON's heads for the scanner: checks well-formedness, UTF-8 and the ranges of numbers as bytes arrive.

use aemp_core::codec::{Begins, PeerInfo, Position, Step, Tokenizer, is_utf8};

use crate::scalar::{Escape, check_number, escape, in_number, is_space, plain_number, plain_run};

/// Checks JSON one head at a time. Keeps its position in an incomplete string or number.
///
/// It never asks for more than one byte: the next one can be wrong, and is then the error, also where the rest of a word or an
/// escape would exceed the limit on a message's size.
#[derive(Debug, Default)]
pub struct JsonHeads {
    /// Bytes of the next head that were checked.
    seen: usize,
    phase: Phase,
    /// Whether the peer is an AnyEvent::MP node.
    perl: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Phase {
    /// Before the comma or colon that must precede the value, or before a value without one.
    #[default]
    Before,
    /// After the comma or colon.
    Value,
    Text,
    /// In a number that begins at this offset in the head.
    Number(usize),
}

type HeadError = (usize, String);

impl Tokenizer for JsonHeads {
    fn begins(&self, byte: u8) -> Begins {
        match byte {
            b'[' => Begins::Message,
            byte if is_space(byte) => Begins::Space,
            _ => Begins::Nothing,
        }
    }

    fn head(&mut self, bytes: &[u8], inside: Position) -> Result<Step, HeadError> {
        if self.phase == Phase::Before
            && self.seen == 0
            && let Some(end) = plain_scalar(bytes, inside)
        {
            return Ok(Step::Scalar(end));
        }
        let step = match self.phase {
            Phase::Before | Phase::Value => self.value(bytes, inside)?,
            Phase::Text => self.text(bytes)?,
            Phase::Number(start) => self.number(bytes, start)?,
        };
        if !matches!(step, Step::Need(_)) {
            self.seen = 0;
            self.phase = Phase::Before;
        }
        Ok(step)
    }

    #[inline(always)]
    fn scalars(&mut self, bytes: &[u8], inside: Position, most: usize) -> (usize, usize) {
        let (mut at, mut count) = (0, 0);
        // Fast path only for the further elements of arrays, which are the largest part of most messages.
        if self.phase != Phase::Before
            || self.seen > 0
            || !matches!(inside, Position::Array { first: false, .. })
        {
            return (0, 0);
        }
        while count < most
            && let Some(len) = plain_element(&bytes[at..])
        {
            at += len;
            count += 1;
        }
        (at, count)
    }
}

impl JsonHeads {
    /// The heads of messages from `peer`.
    pub fn from_peer(peer: &PeerInfo) -> Self {
        Self {
            perl: peer.is_perl(),
            ..Self::default()
        }
    }

    /// Continues before a value.
    fn value(&mut self, bytes: &[u8], inside: Position) -> Result<Step, HeadError> {
        loop {
            self.seen += bytes[self.seen..]
                .iter()
                .take_while(|&&byte| is_space(byte))
                .count();
            let at = self.seen;
            let Some(&byte) = bytes.get(at) else {
                return Ok(Step::Need(1));
            };
            if self.phase == Phase::Before {
                let (before, end) = match inside {
                    Position::Array { first, .. } => ((!first).then_some(b','), Some(b']')),
                    Position::Key { first, .. } => ((!first).then_some(b','), Some(b'}')),
                    Position::Value => (Some(b':'), None),
                    Position::Top | Position::Tagged => (None, None),
                };
                if end == Some(byte) {
                    return Ok(Step::End(at + 1));
                }
                self.phase = Phase::Value;
                match before {
                    Some(before) if byte == before => {
                        self.seen += 1;
                        continue;
                    }
                    Some(before) => {
                        let or = end.map_or(String::new(), |end| format!(" or '{}'", end as char));
                        return Err((
                            at,
                            format!("expected '{}'{or}, found {}", before as char, shown(byte)),
                        ));
                    }
                    None => {}
                }
            }
            return match byte {
                b'"' => {
                    self.phase = Phase::Text;
                    self.seen += 1;
                    self.text(bytes)
                }
                _ if matches!(inside, Position::Key { .. }) => Err((
                    at,
                    format!("expected a text as a key, found {}", shown(byte)),
                )),
                b'[' => Ok(Step::Array(at + 1, None)),
                b'{' => Ok(Step::Map(at + 1, None)),
                b'-' | b'0'..=b'9' => {
                    self.phase = Phase::Number(at);
                    self.number(bytes, at)
                }
                b't' => literal(bytes, at, "true"),
                b'f' => literal(bytes, at, "false"),
                b'n' => literal(bytes, at, "null"),
                _ => Err((at, format!("expected a value, found {}", shown(byte)))),
            };
        }
    }

    /// Continues within a text. `seen` is always between two characters.
    fn text(&mut self, bytes: &[u8]) -> Result<Step, HeadError> {
        loop {
            let at = self.seen;
            let rest = &bytes[at..];
            let len = plain_run(rest);
            let (run, stop) = (&rest[..len], rest.get(len).copied());
            // Most text is ASCII, and that check is faster.
            if !run.is_ascii()
                && let Err(error) = std::str::from_utf8(run)
            {
                // A character that is cut by the end of the bytes may be completed later.
                if error.error_len().is_some() || stop.is_some() {
                    return Err((at + error.valid_up_to(), "a text is not UTF-8".into()));
                }
                self.seen += error.valid_up_to();
                return Ok(Step::Need(1));
            }
            self.seen += run.len();
            match stop {
                None => return Ok(Step::Need(1)),
                Some(b'"') => return Ok(Step::Scalar(self.seen + 1)),
                Some(b'\\') => match escape(&bytes[self.seen..]) {
                    Escape::Complete(len, _) => self.seen += len,
                    Escape::Incomplete => return Ok(Step::Need(1)),
                    Escape::Invalid(what) => return Err((self.seen, what.into())),
                },
                Some(byte) => {
                    let what = format!("a text holds the bare control character 0x{byte:02x}");
                    return Err((self.seen, what));
                }
            }
        }
    }

    /// Continues within a number that begins at `start`. Only the byte after a number shows that it is complete.
    fn number(&mut self, bytes: &[u8], start: usize) -> Result<Step, HeadError> {
        let more = bytes[self.seen..].iter().take_while(|&&b| in_number(b));
        self.seen += more.count();
        if self.seen == bytes.len() {
            return Ok(Step::Need(1));
        }
        match check_number(&bytes[start..self.seen], self.perl) {
            Ok(()) => Ok(Step::Scalar(self.seen)),
            Err(what) => Err((start, what)),
        }
    }
}

/// Fast path: the end of a scalar of the most common form, a complete number or text without escapes, with no white space
/// before it. `None` for everything else, including errors, which the general code handles.
#[inline]
fn plain_scalar(bytes: &[u8], inside: Position) -> Option<usize> {
    let before = match inside {
        Position::Array { first: false, .. } | Position::Key { first: false, .. } => b',',
        Position::Value => b':',
        Position::Array { .. } | Position::Key { .. } => b' ',
        Position::Top | Position::Tagged => return None,
    };
    let rest = match bytes {
        rest if before == b' ' => rest,
        [first, rest @ ..] if *first == before => rest,
        _ => return None,
    };
    let start = bytes.len() - rest.len();
    let len = match rest {
        [b'"', text @ ..] => plain_text(text)?,
        _ if matches!(inside, Position::Key { .. }) => return None,
        _ => plain_number(rest)?,
    };
    Some(start + len)
}

/// The length of a comma followed by a scalar of that form.
#[inline(always)]
fn plain_element(bytes: &[u8]) -> Option<usize> {
    let len = match bytes {
        [b',', b'"', text @ ..] => plain_text(text)?,
        [b',', rest @ ..] => plain_number(rest)?,
        _ => return None,
    };
    Some(1 + len)
}

/// The length of a complete text without escapes, including both quotes. `bytes` begin after its first quote.
#[inline(always)]
fn plain_text(bytes: &[u8]) -> Option<usize> {
    let len = plain_run(bytes);
    let whole = bytes.get(len) == Some(&b'"');
    (whole && is_utf8(&bytes[..len])).then_some(len + 2)
}

/// Reads the literal `name`.
fn literal(bytes: &[u8], at: usize, name: &str) -> Result<Step, HeadError> {
    let rest = &bytes[at..];
    let common = rest.iter().zip(name.as_bytes()).take_while(|(a, b)| a == b);
    match common.count() {
        n if n == name.len() => Ok(Step::Scalar(at + n)),
        n if n == rest.len() => Ok(Step::Need(1)),
        n => Err((at + n, format!("expected {name}, found {}", shown(rest[n])))),
    }
}

/// A byte for the text of an error.
fn shown(byte: u8) -> String {
    match byte {
        b' '..=b'~' => format!("'{}'", byte as char),
        _ => format!("byte 0x{byte:02x}"),
    }
}
