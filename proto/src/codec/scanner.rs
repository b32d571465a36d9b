//! `Scanner`: finds where a message ends in a stream of messages without any framing, and checks the limits on
//! the way. It never looks at a byte twice, however the bytes arrive, and remembers only how deep it is.
//!
//! It knows what all codecs have in common: messages are made of scalars, and of arrays, maps and tags that
//! nest. How one *head* looks, that is a scalar or the beginning or end of something that nests, is the codec's
//! part, the trait [`Heads`].

use super::{DecodeError, Limits};
use crate::Text;

/// How a codec's messages look, one head at a time. One per connection.
pub trait Heads: Send {
    /// What a byte between messages is.
    fn begins(&self, byte: u8) -> Begins;

    /// Reads the head at the beginning of `bytes`, which are all that has come and was not taken yet.
    ///
    /// Where it asks for more it is called again with the same bytes and more behind them. It must remember how
    /// far it looked, or have looked at a small constant of bytes only: that is what makes the whole linear.
    /// Text must be found to be UTF-8 here.
    ///
    /// # Errors
    /// Where the bytes are not well-formed: how far into `bytes`, and what is wrong.
    fn head(&mut self, bytes: &[u8], inside: Inside) -> Result<Step, (usize, String)>;

    /// Passes over whole, well-formed scalars at the beginning of `bytes`, which are `inside`, `most` of them at most,
    /// and returns how many bytes and how many scalars that were. It stops in front of whatever else there is, which
    /// [`head`](Self::head) then looks at. Only for speed; passing over nothing is always right.
    fn scalars(&mut self, bytes: &[u8], inside: Inside, most: usize) -> (usize, usize) {
        let _ = (bytes, inside, most);
        (0, 0)
    }
}

/// Whether a text is UTF-8, for [`Heads`]. Most text is short and ASCII, which a few words tell.
#[inline(always)]
pub fn is_utf8(text: &[u8]) -> bool {
    is_ascii(text) || std::str::from_utf8(text).is_ok()
}

/// In steps of as many bytes as there are, the last of which may look at some again: from four bytes on, none is on its own.
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

/// What a byte between two messages is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// White space, to be passed over.
    Space,
    /// The first of a message.
    Message,
    /// Nothing that belongs there.
    Nothing,
}

/// Where the next head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// At the beginning of a message.
    Top,
    /// In an array; `first` if none of its elements has come.
    Array {
        /// Whether none of the elements has come yet.
        first: bool,
        /// Whether the length is unknown, so that it may end here.
        open: bool,
    },
    /// In a map, where a key is to come.
    Key {
        /// Whether none of the pairs has come yet.
        first: bool,
        /// Whether the length is unknown, so that it may end here.
        open: bool,
    },
    /// In a map, where the value of a key is to come.
    Value,
    /// After a tag.
    Tagged,
}

/// What was read, and how many bytes it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The head has not come whole; at least so many more bytes belong to it. Never 0.
    Need(usize),
    /// A scalar.
    Scalar(usize),
    /// The beginning of an array of so many elements, or of unknown length.
    Array(usize, Option<u64>),
    /// The beginning of a map of so many pairs, or of unknown length.
    Map(usize, Option<u64>),
    /// A tag, whose value follows.
    Tag(usize),
    /// The end of an array or a map of unknown length.
    End(usize),
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// It is whole and so many bytes long.
    Message(usize),
    /// It is not; at least so many more bytes belong to it.
    Need(usize),
}

/// The deepest nesting that limits can allow: reading nests as deep on the stack.
pub const DEEPEST: usize = 1024;

/// Finds the ends of messages within the limits.
pub struct Scanner<H> {
    heads: H,
    limits: Limits,
    codec: Text,
    /// How many bytes of the message are behind us.
    at: usize,
    /// How many values.
    items: usize,
    stack: Vec<Level>,
    steps: u64,
}

#[derive(Clone, Copy)]
struct Level {
    kind: Kind,
    /// How many elements, or keys and values, are to come; none if that is unknown.
    left: Option<u64>,
    /// How many have come.
    come: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Array,
    Map,
    Tag,
}

impl<H: Heads> Scanner<H> {
    /// A scanner for messages of the codec called `codec`. A depth limit above 1024 counts as that.
    pub fn new(heads: H, limits: &Limits, codec: &str) -> Self {
        let mut limits = limits.clone();
        limits.depth = limits.depth.min(DEEPEST);
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

    /// What a byte between messages is.
    pub fn begins(&self, byte: u8) -> Begins {
        self.heads.begins(byte)
    }

    /// Whether a message has begun.
    pub fn is_inside(&self) -> bool {
        self.at > 0
    }

    /// How often the codec was asked for a head so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Begins the message in `src` behind its front, which is known to be well-formed: `len` bytes, the beginning of its
    /// array and one element, with `left` more to come. Says how long the message is if those are scalars and all there.
    #[inline]
    pub(super) fn begin_behind(
        &mut self,
        src: &[u8],
        len: usize,
        left: Option<usize>,
    ) -> Option<usize> {
        let (mut at, mut come) = (len, 1);
        if let Some(left) = left {
            let inside = Inside::Array {
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
            come += scalars;
        }
        self.at = at;
        self.items = come;
        self.stack.push(Level {
            kind: Kind::Array,
            left: left.map(|left| (left + 1 - come) as u64),
            come: come as u64,
        });
        None
    }

    /// Goes on looking for the end of the message that `src` begins with. After [`Scanned::Need`] call again with
    /// the same bytes and more behind them, after [`Scanned::Message`] with what follows the message.
    ///
    /// # Errors
    /// Where the message is not well-formed or breaks a limit. A limit counts as broken as soon as it is clear
    /// that it will be: a string that says to be too long, or an array to have too many elements, fails at its
    /// head.
    pub fn scan(&mut self, src: &[u8]) -> Result<Scanned, DecodeError> {
        loop {
            if self.pass_scalars(src) {
                return Ok(self.whole());
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
                Step::Scalar(_) if self.stack.is_empty() => return Err(self.no_array()),
                Step::Scalar(taken) => {
                    self.count(1)?;
                    (taken, true)
                }
                Step::Tag(taken) => (taken, self.open(Kind::Tag, Some(1))?),
                Step::Array(taken, len) => (taken, self.open(Kind::Array, len)?),
                Step::Map(taken, pairs) => {
                    let len = pairs.map(|pairs| pairs.saturating_mul(2));
                    (taken, self.open(Kind::Map, len)?)
                }
                Step::End(taken) => {
                    self.end()?;
                    (taken, true)
                }
            };
            self.at += taken;
            self.check_size(self.at)?;
            if value_done && self.close() {
                return Ok(self.whole());
            }
        }
    }

    /// Passes over scalars in one go, no more than belong here and the limits allow; whether the message is over.
    #[inline(always)]
    fn pass_scalars(&mut self, src: &[u8]) -> bool {
        let inside = self.inside();
        let Some(level) = self.stack.last_mut() else {
            return false;
        };
        let end = src.len().min(self.limits.message_size);
        let rest = src.get(self.at..end).unwrap_or_default();
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
        level.come += scalars as u64;
        let Some(left) = &mut level.left else {
            return false;
        };
        *left -= scalars as u64;
        if *left > 0 {
            return false;
        }
        self.stack.pop();
        self.close()
    }

    /// The message is whole; the next begins.
    fn whole(&mut self) -> Scanned {
        self.items = 0;
        Scanned::Message(std::mem::take(&mut self.at))
    }

    #[inline(always)]
    fn inside(&self) -> Inside {
        let Some(level) = self.stack.last() else {
            return Inside::Top;
        };
        let (first, open) = (level.come == 0, level.left.is_none());
        match level.kind {
            Kind::Array => Inside::Array { first, open },
            Kind::Map if level.come.is_multiple_of(2) => Inside::Key { first, open },
            Kind::Map => Inside::Value,
            Kind::Tag => Inside::Tagged,
        }
    }

    /// Begins something that nests; whether it is over at once.
    fn open(&mut self, kind: Kind, len: Option<u64>) -> Result<bool, DecodeError> {
        if self.stack.is_empty() && kind != Kind::Array {
            return Err(self.no_array());
        }
        if self.stack.len() >= self.limits.depth {
            return Err(DecodeError::TooDeep {
                limit: self.limits.depth,
            });
        }
        self.count(1)?;
        // Each of them takes a byte at least, whatever the codec.
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
            come: 0,
        });
        Ok(false)
    }

    /// Ends what was opened without a length.
    fn end(&mut self) -> Result<(), DecodeError> {
        match self.stack.last() {
            Some(level)
                if level.left.is_none()
                    && (level.kind == Kind::Array || level.come.is_multiple_of(2)) =>
            {
                self.stack.pop();
                Ok(())
            }
            _ => Err(self.malformed(self.at, "an end where nothing can end".into())),
        }
    }

    /// A value is over, and with it whatever it was the last part of; whether the message is.
    #[inline(always)]
    fn close(&mut self) -> bool {
        while let Some(level) = self.stack.last_mut() {
            level.come += 1;
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
    fn count(&mut self, items: usize) -> Result<(), DecodeError> {
        if self.stack.is_empty() && self.items == 0 {
            // The message's own array is not one of its values.
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

    fn no_array(&self) -> DecodeError {
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
