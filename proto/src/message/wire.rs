//! `Wire`: a message as it came from a peer, and the memory that messages are made in.
//!
//! Most messages from peers are short and live as long as their handler runs, on the shard's thread. To take memory
//! for each and give it back costs more than to look at what is in it, so every thread keeps that of one ([`SPARE`]).

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;

use super::Source;
use crate::token::{Reader, Rest, WireFormat};
use crate::value::{ParseError, Values};

/// The bytes of a message as they came from a peer, with the port's name in front, and what can read them.
#[derive(Clone)]
pub struct Wire(
    /// Always there, but while it is dropped.
    Option<Box<Inner>>,
);

#[derive(Clone)]
struct Inner {
    bytes: Held,
    source: Source,
    /// The elements after the port's name.
    rest: Rest,
}

#[derive(Clone)]
enum Held {
    /// A copy.
    Own(Vec<u8>),
    /// A part of the receive buffer.
    Shared(Bytes),
}

/// The longest message whose memory is kept.
const KEEP: usize = 1024;

thread_local! {
    /// Memory of a message that was dropped on this thread, with an empty [`Held::Own`].
    static SPARE: Cell<Option<Box<Inner>>> = const { Cell::new(None) };
}

impl Wire {
    /// A message in memory of its own.
    #[inline]
    pub(crate) fn copied(bytes: &[u8], source: Source, rest: Rest) -> Self {
        let spare = SPARE.try_with(Cell::take);
        if let Ok(Some(mut inner)) = spare
            && let Held::Own(own) = &mut inner.bytes
        {
            own.extend_from_slice(bytes);
            // A copy would wait for the parts of what was put together just now. Most often there is none to make.
            if !inner.source.is(source) {
                inner.source = source;
            }
            inner.rest = rest;
            return Self(Some(inner));
        }
        Self::new(Held::Own(bytes.to_vec()), source, rest)
    }

    /// A message that takes a part of the receive buffer along.
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
            // It is taken by `drop` only.
            None => unreachable!(),
        }
    }

    #[inline]
    pub(crate) fn source(&self) -> Source {
        self.inner().source
    }

    /// The elements after the port's name.
    #[inline]
    pub(crate) fn rest(&self) -> Rest {
        self.inner().rest
    }

    /// The message's array, whose first element is the name of the port it was for.
    pub fn bytes(&self) -> &[u8] {
        match &self.inner().bytes {
            Held::Own(bytes) => bytes,
            Held::Shared(bytes) => bytes,
        }
    }

    /// What reads the bytes.
    pub fn format(&self) -> &'static dyn WireFormat {
        self.source().format
    }

    /// Whether an AnyEvent::MP node wrote them.
    pub fn is_perl(&self) -> bool {
        self.source().perl
    }

    /// The elements after the port's name.
    ///
    /// # Errors
    /// As for [`Message::values`](super::Message::values).
    pub fn values(&self) -> Result<Values, ParseError> {
        self.reader().elements(self.rest()).values(self.whole())
    }

    /// The bytes, where they are shared.
    fn whole(&self) -> Option<&Bytes> {
        match &self.inner().bytes {
            Held::Own(_) => None,
            Held::Shared(bytes) => Some(bytes),
        }
    }

    /// The elements for another Perl node, to which they are what they were: byte strings stay such, but for ASCII, where it
    /// makes no difference.
    ///
    /// # Errors
    /// As for [`Message::values`](super::Message::values).
    pub(crate) fn values_as_written(&self) -> Result<Values, ParseError> {
        let mut reader = self.reader().as_written();
        reader.elements(self.rest()).values(self.whole())
    }

    /// From the front of the bytes.
    #[inline]
    pub(super) fn reader(&self) -> Reader<'_> {
        let Source { format, perl } = self.source();
        Reader::new(format, self.bytes(), perl)
    }
}

/// `message` without its first `n` elements, in the same memory.
///
/// # Errors
/// As for [`Message::values`](super::Message::values).
pub fn without(mut message: Wire, n: usize) -> Result<Wire, ParseError> {
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
    /// The elements of a message from a peer.
    #[inline]
    pub fn of(message: &Wire) -> Self {
        message.rest()
    }
}

impl Drop for Wire {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut inner) = self.0.take()
            && let Held::Own(own) = &mut inner.bytes
            && own.capacity() <= KEEP
        {
            own.clear();
            // A thread that ends keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set(Some(inner)));
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values() {
            Ok(values) => values.fmt(f),
            Err(error) => write!(f, "{} bytes: {error}", self.bytes().len()),
        }
    }
}
