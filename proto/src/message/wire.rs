//! `RawMessage`: a message in its received form, and the reuse of its memory.
//!
//! Most received messages are short, and are dropped by the thread that made them when their handler returns.
//! Allocating and freeing memory for each costs more than decoding it, so every thread keeps the memory of one dropped
//! message ([`SPARE`]).

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;

use super::Source;
use crate::token::{Reader, Rest, TokenReader};
use crate::value::{ParseError, Values};

/// A message in its received form: the bytes of its array, which begins with the port's name, and the format that reads
/// them.
#[derive(Clone)]
#[doc(alias = "Wire")]
pub struct RawMessage(
    /// `None` only during `drop`.
    Option<Box<Inner>>,
);

#[derive(Clone)]
struct Inner {
    bytes: Held,
    source: Source,
    /// The position of the elements, after the port's name.
    rest: Rest,
}

#[derive(Clone)]
enum Held {
    /// A copy of the received bytes.
    Own(Vec<u8>),
    /// A part of the receive buffer.
    Shared(Bytes),
}

/// The largest capacity, in bytes, of memory that is kept for reuse.
const MAX_SPARE: usize = 1024;

thread_local! {
    /// The memory of a message that was dropped on this thread, with an empty [`Held::Own`].
    static SPARE: Cell<Option<Box<Inner>>> = const { Cell::new(None) };
}

impl RawMessage {
    /// A message with a copy of `bytes`.
    #[inline]
    pub(crate) fn copied(bytes: &[u8], source: Source, rest: Rest) -> Self {
        let spare = SPARE.try_with(Cell::take);
        if let Ok(Some(mut inner)) = spare
            && let Held::Own(own) = &mut inner.bytes
        {
            own.extend_from_slice(bytes);
            // Most often the source is the same: a comparison is faster than an unconditional copy, which would stall
            // on the fields written just before.
            if !inner.source.is(source) {
                inner.source = source;
            }
            inner.rest = rest;
            return Self(Some(inner));
        }
        Self::new(Held::Own(bytes.to_vec()), source, rest)
    }

    /// A message that shares the receive buffer.
    pub(crate) fn shared(bytes: Bytes, source: Source, rest: Rest) -> Self {
        Self::new(Held::Shared(bytes), source, rest)
    }

    fn new(bytes: Held, source: Source, rest: Rest) -> Self {
        Self(Some(Box::new(Inner {
            bytes,
            source,
            rest,
        })))
    }

    #[inline]
    fn inner(&self) -> &Inner {
        match &self.0 {
            Some(inner) => inner,
            // Only `drop` takes the value.
            None => unreachable!(),
        }
    }

    #[inline]
    pub(crate) fn source(&self) -> Source {
        self.inner().source
    }

    /// The position of the elements, after the port's name.
    #[inline]
    pub(crate) fn rest(&self) -> Rest {
        self.inner().rest
    }

    /// The bytes of the message's array, whose first element is the name of the receiving port.
    pub fn bytes(&self) -> &[u8] {
        match &self.inner().bytes {
            Held::Own(bytes) => bytes,
            Held::Shared(bytes) => bytes,
        }
    }

    /// The format that reads the bytes.
    pub fn format(&self) -> &'static dyn TokenReader {
        self.source().format
    }

    /// Whether the message comes from an AnyEvent::MP node.
    pub fn is_perl(&self) -> bool {
        self.source().perl
    }

    /// The elements as values.
    ///
    /// # Errors
    /// As for [`Message::to_values`](super::Message::to_values).
    pub fn to_values(&self) -> Result<Values, ParseError> {
        self.reader()
            .elements(self.rest())
            .values(self.shared_bytes())
    }

    /// The bytes, if they are shared with the receive buffer.
    fn shared_bytes(&self) -> Option<&Bytes> {
        match &self.inner().bytes {
            Held::Own(_) => None,
            Held::Shared(bytes) => Some(bytes),
        }
    }

    /// The elements for another Perl node, without conversion: byte strings stay byte strings, except ASCII ones, for
    /// which it makes no difference.
    ///
    /// # Errors
    /// As for [`Message::to_values`](super::Message::to_values).
    pub(crate) fn values_as_written(&self) -> Result<Values, ParseError> {
        let mut reader = self.reader().as_written();
        reader.elements(self.rest()).values(self.shared_bytes())
    }

    /// A reader at the start of the bytes.
    #[inline]
    pub(super) fn reader(&self) -> Reader<'_> {
        let Source { format, perl } = self.source();
        Reader::new(format, self.bytes(), perl)
    }
}

/// Removes the first `n` elements of `message` without a copy.
///
/// # Errors
/// As for [`Message::to_values`](super::Message::to_values).
pub fn skip_elements(mut message: RawMessage, n: usize) -> Result<RawMessage, ParseError> {
    let mut reader = message.reader();
    let mut elements = reader.elements(message.rest());
    for _ in 0..n {
        elements.skip()?;
    }
    let rest = elements.rest();
    if let Some(inner) = &mut message.0 {
        inner.rest = rest;
    }
    Ok(message)
}

impl Rest {
    /// The position of the elements of a received message.
    #[inline]
    pub fn of(message: &RawMessage) -> Self {
        message.rest()
    }
}

impl Drop for RawMessage {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut inner) = self.0.take()
            && let Held::Own(own) = &mut inner.bytes
            && own.capacity() <= MAX_SPARE
        {
            own.clear();
            // It fails while the thread ends: then the memory is freed.
            let _ = SPARE.try_with(|spare| spare.set(Some(inner)));
        }
    }
}

impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_values() {
            Ok(values) => values.fmt(f),
            Err(error) => write!(f, "{} bytes: {error}", self.bytes().len()),
        }
    }
}
