//! `Scanner`: finds the end of a message in a stream without length prefixes, and checks the limits. It visits each
//! byte once, in however many pieces the bytes arrive, and keeps only a stack of the open arrays, maps and tags.
//!
//! The scanner knows what all codecs have in common: messages consist of scalars, and of arrays, maps and tags that
//! nest. A codec implements [`Tokenizer`] to read one *head*: a scalar, or the beginning or end of an array, a map or a
//! tag.

use super::{DecodeError, Limits};
use crate::Text;
use std::fmt;

/// Reads the heads of a codec's messages. One instance per connection.
///
/// The heads of a format of unsigned integers below 128 and arrays of known length, in the bytes of CBOR:
///
/// ```
/// use aemp::codec::{Begins, Limits, Position, Scanned, Scanner, Step, Tokenizer};
///
/// struct Numbers;
///
/// impl Tokenizer for Numbers {
///     fn begins(&self, byte: u8) -> Begins {
///         match byte {
///             0x80..=0x97 => Begins::Message,
///             _ => Begins::Nothing,
///         }
///     }
///
///     fn head(&mut self, bytes: &[u8], _: Position) -> Result<Step, (usize, String)> {
///         match bytes {
///             [] => Ok(Step::Need(1)),
///             [0..=0x17, ..] => Ok(Step::Scalar(1)),
///             [0x18, _, ..] => Ok(Step::Scalar(2)),
///             [0x18] => Ok(Step::Need(1)),
///             [array @ 0x80..=0x97, ..] => Ok(Step::Array(1, Some(u64::from(array - 0x80)))),
///             [other, ..] => Err((0, format!("byte {other:#x} begins no number"))),
///         }
///     }
/// }
///
/// let mut scanner = Scanner::new(Numbers, &Limits::default(), "numbers");
/// assert_eq!(scanner.scan(&[0x82, 0x01, 0x81])?, Scanned::Need(1));
/// assert_eq!(scanner.scan(&[0x82, 0x01, 0x81, 0x18, 0x64])?, Scanned::Message(5));
/// # Ok::<(), aemp::codec::DecodeError>(())
/// ```
#[doc(alias = "Heads")]
pub trait Tokenizer: Send {
    /// Classifies a byte between messages.
    fn begins(&self, byte: u8) -> Begins;

    /// Reads the head at the start of `bytes`, which are all received bytes after the last head.
    ///
    /// After [`Step::Need`] it is called again with the same bytes and further ones. To keep the total work linear,
    /// it must remember how far it has looked, or look at a small constant number of bytes only. It must check that
    /// text is UTF-8.
    ///
    /// # Errors
    /// If the bytes are not well-formed: the position in `bytes`, and what is wrong.
    fn head(&mut self, bytes: &[u8], inside: Position) -> Result<Step, (usize, String)>;

    /// Skips complete, well-formed scalars at the start of `bytes`, at most `most` of them, and returns the number of
    /// bytes and of scalars. It stops before anything else, which [`head`](Self::head) then reads. This is an
    /// optimization: skipping nothing is always correct.
    fn scalars(&mut self, bytes: &[u8], inside: Position, most: usize) -> (usize, usize) {
        let _ = (bytes, inside, most);
        (0, 0)
    }
}

/// Whether a text is UTF-8, for [`Tokenizer`]. Fast for short ASCII text.
#[inline(always)]
pub fn is_utf8(text: &[u8]) -> bool {
    is_ascii(text) || std::str::from_utf8(text).is_ok()
}

/// Tests whole words; the last word may overlap the one before it. From four bytes on no byte is tested alone.
#[inline(always)]
fn is_ascii(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let bits = if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (blocks, _) = text.as_chunks::<16>();
        let low = blocks
            .iter()
            .fold(0, |bits, block| bits | u128::from_ne_bytes(*block));
        let tail = text
            .last_chunk()
            .map_or(0, |tail| u128::from_ne_bytes(*tail));
        let bits = low | tail;
        u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last) | bits as u64 | (bits >> 64) as u64
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        u64::from(u32::from_ne_bytes(*first) | u32::from_ne_bytes(*last))
    } else {
        text.iter().fold(0, |bits, byte| bits | u64::from(*byte))
    };
    bits & HIGH == 0
}

/// The meaning of a byte between two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begins {
    /// White space, which is skipped.
    Space,
    /// The first byte of a message.
    Message,
    /// Not allowed between messages.
    Nothing,
}

/// The position of the next head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the start of a message.
    Top,
    /// In an array.
    Array {
        /// Whether the next head is the first element.
        first: bool,
        /// Whether the length is unknown, so that the array can end here.
        open: bool,
    },
    /// In a map, before a key.
    Key {
        /// Whether the next head is the first key.
        first: bool,
        /// Whether the length is unknown, so that the map can end here.
        open: bool,
    },
    /// In a map, before the value of a key.
    Value,
    /// After a tag, before its value.
    Tagged,
}

/// The head that was read, with its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The head is not complete; the least number of missing bytes. Never 0.
    Need(usize),
    /// A scalar.
    Scalar(usize),
    /// The beginning of an array, with the number of elements if it is known.
    Array(usize, Option<u64>),
    /// The beginning of a map, with the number of pairs if it is known.
    Map(usize, Option<u64>),
    /// A tag, whose value follows.
    Tag(usize),
    /// The end of an array or a map of unknown length.
    End(usize),
}

/// The result of [`Scanner::scan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// The message is complete; its length in bytes.
    Message(usize),
    /// The message is not complete; the least number of missing bytes.
    Need(usize),
}

/// The upper bound of [`Limits::depth`]: readers recurse once for each level.
pub const MAX_SCAN_DEPTH: usize = 1024;

/// Finds the end of each message, within the limits.
pub struct Scanner<H> {
    heads: H,
    limits: Limits,
    codec: Text,
    /// Bytes of the message that are scanned.
    at: usize,
    /// Values of the message that are scanned.
    items: usize,
    stack: Vec<Level>,
    steps: u64,
}

impl<H> fmt::Debug for Scanner<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("codec", &self.codec)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Level {
    kind: Kind,
    /// Elements, or keys and values, that are still missing; `None` if their number is unknown.
    left: Option<u64>,
    /// Elements, or keys and values, that are scanned.
    seen: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Array,
    Map,
    Tag,
}

impl<H: Tokenizer> Scanner<H> {
    /// A scanner for messages of the codec called `codec`. A depth limit above 1024 is reduced to 1024.
    pub fn new(heads: H, limits: &Limits, codec: &str) -> Self {
        let mut limits = limits.clone();
        if faulty!(SizeUnlimited) {
            limits.message_size = usize::MAX;
        }
        if faulty!(ItemsUnlimited) {
            limits.items = usize::MAX;
        }
        if faulty!(DepthUnlimited) {
            limits.depth = usize::MAX;
        }
        limits.depth = limits.depth.min(MAX_SCAN_DEPTH);
        Self {
            heads,
            limits,
            codec: codec.into(),
            at: 0,
            items: 0,
            stack: Vec::new(),
            steps: 0,
        }
    }

    /// Classifies a byte between messages.
    pub fn begins(&self, byte: u8) -> Begins {
        self.heads.begins(byte)
    }

    /// Whether a message is partly scanned.
    pub fn is_inside(&self) -> bool {
        self.at > 0
    }

    /// The number of calls of the codec's [`Tokenizer`] so far.
    #[doc(hidden)]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Begins the message in `src` after its front of `len` bytes, the beginning of the array and the first element,
    /// which are known to be well-formed. `left` elements follow. Returns the length of the message if all of them are
    /// scalars and complete.
    #[inline]
    pub(super) fn begin_after_front(
        &mut self,
        src: &[u8],
        len: usize,
        left: Option<usize>,
    ) -> Option<usize> {
        let (mut at, mut seen) = (len, 1);
        if let Some(left) = left {
            let inside = Position::Array {
                first: false,
                open: false,
            };
            let most = left.min(self.limits.items.saturating_sub(1));
            let end = src.len().min(self.limits.message_size);
            let rest = src.get(len..end).unwrap_or_default();
            let (taken, scalars) = self.heads.scalars(rest, inside, most);
            self.steps += 1;
            at += taken;
            if scalars == left {
                return Some(at);
            }
            seen += scalars;
        }
        self.at = at;
        self.items = seen;
        self.stack.push(Level {
            kind: Kind::Array,
            left: left.map(|left| (left + 1 - seen) as u64),
            seen: seen as u64,
        });
        None
    }

    /// Scans on for the end of the message at the start of `src`. After [`Scanned::Need`] call again with the same
    /// bytes and further ones, after [`Scanned::Message`] with the bytes after the message.
    ///
    /// # Errors
    /// If the message is not well-formed or exceeds a limit. A string or an array that announces a length over the
    /// limit fails at its head.
    pub fn scan(&mut self, src: &[u8]) -> Result<Scanned, DecodeError> {
        // What lies beyond the limit is never looked at: otherwise the error would depend on how much has arrived.
        let src = &src[..src.len().min(self.limits.message_size)];
        loop {
            if self.skip_scalars(src) {
                return Ok(self.finish_message());
            }
            let rest = src.get(self.at..).unwrap_or_default();
            self.steps += 1;
            let step = self
                .heads
                .head(rest, self.inside())
                .map_err(|(at, what)| self.malformed(self.at + at, what))?;
            let (taken, value_done) = match step {
                Step::Need(more) => {
                    self.check_size(src.len().saturating_add(more))?;
                    return Ok(Scanned::Need(more));
                }
                Step::Scalar(_) if self.stack.is_empty() => return Err(self.not_an_array()),
                Step::Scalar(taken) => {
                    self.count_items(1)?;
                    (taken, true)
                }
                Step::Tag(taken) => (taken, self.open_level(Kind::Tag, Some(1))?),
                Step::Array(taken, len) => (taken, self.open_level(Kind::Array, len)?),
                Step::Map(taken, pairs) => {
                    let len = pairs.map(|pairs| pairs.saturating_mul(2));
                    (taken, self.open_level(Kind::Map, len)?)
                }
                Step::End(taken) => {
                    self.end_level()?;
                    (taken, true)
                }
            };
            self.at += taken;
            self.check_size(self.at)?;
            if value_done && self.close_levels() {
                return Ok(self.finish_message());
            }
        }
    }

    /// Skips scalars, at most the missing ones and within the limits. Returns whether the message is complete.
    #[inline(always)]
    fn skip_scalars(&mut self, src: &[u8]) -> bool {
        let inside = self.inside();
        let Some(level) = self.stack.last_mut() else {
            return false;
        };
        let rest = src.get(self.at..).unwrap_or_default();
        let mut most = self.limits.items.saturating_sub(self.items);
        if let Some(left) = level.left {
            most = most.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let (taken, scalars) = self.heads.scalars(rest, inside, most);
        if scalars == 0 {
            return false;
        }
        self.steps += 1;
        self.at += taken;
        self.items += scalars;
        level.seen += scalars as u64;
        let Some(left) = &mut level.left else {
            return false;
        };
        *left -= scalars as u64;
        if *left > 0 {
            return false;
        }
        self.stack.pop();
        self.close_levels()
    }

    /// Resets the scanner for the next message, and returns the length of this one.
    fn finish_message(&mut self) -> Scanned {
        self.items = 0;
        Scanned::Message(std::mem::take(&mut self.at))
    }

    #[inline(always)]
    fn inside(&self) -> Position {
        let Some(level) = self.stack.last() else {
            return Position::Top;
        };
        let (first, open) = (level.seen == 0, level.left.is_none());
        match level.kind {
            Kind::Array => Position::Array { first, open },
            Kind::Map if level.seen.is_multiple_of(2) => Position::Key { first, open },
            Kind::Map => Position::Value,
            Kind::Tag => Position::Tagged,
        }
    }

    /// Opens an array, a map or a tag. Returns whether it is complete, which an empty one is.
    fn open_level(&mut self, kind: Kind, len: Option<u64>) -> Result<bool, DecodeError> {
        if self.stack.is_empty() && kind != Kind::Array {
            return Err(self.not_an_array());
        }
        if self.stack.len() >= self.limits.depth {
            return Err(DecodeError::TooDeep {
                limit: self.limits.depth,
            });
        }
        self.count_items(1)?;
        // In every codec an element takes at least one byte.
        if let Some(len) = len {
            self.check_items((self.items as u64).saturating_add(len))?;
            self.check_size(
                usize::try_from(len)
                    .unwrap_or(usize::MAX)
                    .saturating_add(self.at),
            )?;
        }
        if len == Some(0) {
            return Ok(true);
        }
        self.stack.push(Level {
            kind,
            left: len,
            seen: 0,
        });
        Ok(false)
    }

    /// Ends an array or map of unknown length.
    fn end_level(&mut self) -> Result<(), DecodeError> {
        match self.stack.last() {
            Some(level)
                if level.left.is_none()
                    && (level.kind == Kind::Array || level.seen.is_multiple_of(2)) =>
            {
                self.stack.pop();
                Ok(())
            }
            _ => Err(self.malformed(self.at, "an end where nothing can end".into())),
        }
    }

    /// A value is complete: closes all levels that it completes. Returns whether the message is complete.
    #[inline(always)]
    fn close_levels(&mut self) -> bool {
        while let Some(level) = self.stack.last_mut() {
            level.seen += 1;
            match &mut level.left {
                None => return false,
                Some(left) => {
                    *left -= 1;
                    if *left > 0 {
                        return false;
                    }
                }
            }
            self.stack.pop();
        }
        true
    }

    #[inline(always)]
    fn count_items(&mut self, items: usize) -> Result<(), DecodeError> {
        if self.stack.is_empty() && self.items == 0 {
            // The array of the message itself does not count.
            return Ok(());
        }
        self.items += items;
        self.check_items(self.items as u64)
    }

    #[inline(always)]
    fn check_items(&self, items: u64) -> Result<(), DecodeError> {
        if items > self.limits.items as u64 {
            return Err(DecodeError::TooManyItems {
                limit: self.limits.items,
            });
        }
        Ok(())
    }

    #[inline(always)]
    fn check_size(&self, size: usize) -> Result<(), DecodeError> {
        if size > self.limits.message_size {
            return Err(DecodeError::TooLarge {
                limit: self.limits.message_size,
            });
        }
        Ok(())
    }

    fn not_an_array(&self) -> DecodeError {
        self.malformed(self.at, "a message is an array".into())
    }

    #[cold]
    fn malformed(&self, at: usize, what: String) -> DecodeError {
        DecodeError::Malformed {
            at,
            what,
            codec: self.codec.clone(),
        }
    }
}
