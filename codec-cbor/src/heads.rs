//! CBOR's heads for the scanner: checks well-formedness and UTF-8 as bytes arrive.

use aemp_core::codec::{Begins, Position, Step, Tokenizer, is_utf8};

use crate::head::{Head, HeadError, wrong};

/// Checks CBOR one head at a time. A string, with its content or its chunks, counts as one head.
#[derive(Debug, Default)]
pub struct CborHeads {
    /// Within a string of indefinite length: bytes of its complete chunks that were checked.
    seen: usize,
}

type FormatError = (usize, String);

const BREAK: u8 = 0xff;

impl Tokenizer for CborHeads {
    fn begins(&self, byte: u8) -> Begins {
        match byte {
            0x80..=0x9f => Begins::Message,
            _ => Begins::Nothing,
        }
    }

    #[inline(always)]
    fn head(&mut self, bytes: &[u8], _: Position) -> Result<Step, FormatError> {
        let head = match Head::read(bytes, 0) {
            Ok(head) => head,
            Err(HeadError::Incomplete(more)) => return Ok(Step::Need(more)),
            Err(HeadError::Malformed) => return Err((0, wrong(bytes))),
        };
        let len = head.len;
        let known = (!head.is_indefinite()).then_some(head.argument);
        Ok(match head.major() {
            2 | 3 if head.is_indefinite() => self.chunks(bytes, head.major())?,
            2 | 3 => match string(bytes, head, 0)? {
                Ok(end) => Step::Scalar(end),
                Err(more) => Step::Need(more),
            },
            4 => Step::Array(len, known),
            5 => Step::Map(len, known),
            6 => Step::Tag(len),
            7 if head.is_indefinite() => Step::End(len),
            _ => Step::Scalar(len),
        })
    }

    #[inline(always)]
    fn scalars(&mut self, bytes: &[u8], _: Position, most: usize) -> (usize, usize) {
        if self.seen > 0 {
            return (0, 0);
        }
        let (mut at, mut count) = (0, 0);
        while count < most
            && let Some(&initial) = bytes.get(at)
        {
            let end = match FIXED[usize::from(initial)] {
                0 => match complete_string(bytes, at, initial) {
                    Some(end) => end,
                    None => break,
                },
                len => at + usize::from(len),
            };
            if end > bytes.len() {
                break;
            }
            at = end;
            count += 1;
        }
        (at, count)
    }
}

/// The length of scalars without content, by their first byte; 0 for all other items, and for simple values of two bytes,
/// which are not always well-formed.
const FIXED: [u8; 256] = {
    let mut table = [0; 256];
    let mut initial = 0;
    while initial < 256 {
        let info = initial & 0x1f;
        if matches!(initial >> 5, 0 | 1 | 7) && initial != 0xf8 {
            table[initial] = match info {
                0..24 => 1,
                24..28 => 1 + (1 << (info - 24)),
                _ => 0,
            };
        }
        initial += 1;
    }
    table
};

/// The end of the string at `at`, if it is complete, and UTF-8 if it is a text.
#[inline(always)]
fn complete_string(bytes: &[u8], at: usize, initial: u8) -> Option<usize> {
    let (start, len) = match initial {
        0x40..0x58 | 0x60..0x78 => (at + 1, usize::from(initial & 0x1f)),
        0x58 | 0x78 => (at + 2, usize::from(*bytes.get(at + 1)?)),
        0x59..=0x5b | 0x79..=0x7b => {
            let head = Head::read(bytes, at).ok()?;
            (at + head.len, head.length())
        }
        _ => return None,
    };
    let end = start.checked_add(len)?;
    let content = bytes.get(start..end)?;
    (initial < 0x60 || is_utf8(content)).then_some(end)
}

impl CborHeads {
    /// Continues in a string of chunks, whose head is one byte.
    fn chunks(&mut self, bytes: &[u8], major: u8) -> Result<Step, FormatError> {
        self.seen = self.seen.max(1);
        loop {
            let at = self.seen;
            let head = match Head::read(bytes, at) {
                Ok(head) => head,
                Err(HeadError::Incomplete(more)) => return Ok(Step::Need(more)),
                Err(HeadError::Malformed) => return Err((at, wrong(&bytes[at..]))),
            };
            if head.initial == BREAK {
                self.seen = 0;
                return Ok(Step::Scalar(at + 1));
            }
            if head.major() != major || head.is_indefinite() {
                return Err((at, "a string has a chunk of another kind".into()));
            }
            match string(bytes, head, at)? {
                Ok(end) => self.seen = end,
                Err(more) => return Ok(Step::Need(more)),
            }
        }
    }
}

/// The end of the string at `at`, or the number of missing bytes. Checks the UTF-8 of a text.
#[inline(always)]
fn string(bytes: &[u8], head: Head, at: usize) -> Result<Result<usize, usize>, FormatError> {
    let start = at + head.len;
    let end = start.saturating_add(head.length());
    let Some(content) = bytes.get(start..end) else {
        return Ok(Err(end - bytes.len()));
    };
    if head.major() == 3 && !is_utf8(content) {
        return Err((start, "a text is not UTF-8".into()));
    }
    Ok(Ok(end))
}
