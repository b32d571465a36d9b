//! `SendQueue`: the bytes that wait to be written on one connection, from the encoder to the writer.

use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;

use super::effect::{Effect, Effects};
use super::link::{Link, Up};
use super::share::{Pool, Share};
use super::{Connection, Generation, Machine};
use crate::codec::Frame;
use crate::value::EncodeError;

/// Capacity above which a written buffer is not kept for the next batch.
const KEEP: usize = 256 << 10;

/// Bytes that are worth a write of their own.
const BATCH: usize = 32 << 10;

/// The bytes that wait for the writer of one connection.
pub(super) struct SendQueue {
    /// Appended to by senders, taken whole by the writer.
    pub(super) buffer: BytesMut,
    /// Bytes that the writer has taken and not written yet.
    in_flight: usize,
    /// Bytes that the writer has taken so far.
    taken: u64,
    /// The writer waits for bytes.
    is_writer_waiting: bool,
    /// The writer was woken and has not come.
    is_writer_awaited: bool,
    /// An empty buffer to be used again.
    spare: BytesMut,
    pub(super) is_closed: bool,
    pub(super) share: Share,
    /// Bytes up to which the queue may grow before the limits are looked at.
    pub(super) checked_from: usize,
}

/// What the writer does next.
#[derive(Debug)]
pub enum Chunk {
    /// Write these bytes.
    Bytes(BytesMut),
    /// Nothing more will come.
    End,
}

/// Whether an answer can be made for a peer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// It can.
    Now,
    /// The queue to the peer is above its high-water mark.
    Later,
    /// The connection takes no more messages.
    Never,
}

/// Why a message is not passed on to a peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// The peer is not connected.
    #[error("there is no connection to that node")]
    NoLink,
    /// The queue to the peer is above its high-water mark.
    #[error("too much waits for that node (high_water)")]
    Full,
    /// The message does not fit the connection's codec or limits.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What the writer has written and the machine has not been told of.
#[derive(Debug)]
pub struct Written {
    bytes: usize,
    /// A buffer that was written whole, to be used again.
    buffer: Option<BytesMut>,
    high_water: usize,
}

impl Written {
    /// Nothing yet. Tasks that wait for the queue to fall below `high_water` bytes go on when it does.
    pub fn nothing(high_water: usize) -> Self {
        Self {
            bytes: 0,
            buffer: None,
            high_water,
        }
    }

    /// So many more bytes are written.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The buffer of a chunk comes back: all of it is written.
    pub fn recycle(&mut self, mut buffer: BytesMut) {
        if buffer.capacity() <= KEEP {
            buffer.clear();
            self.buffer = Some(buffer);
        }
    }
}

impl SendQueue {
    pub(super) fn new(pool: &Arc<dyn Pool>) -> Self {
        Self {
            buffer: BytesMut::new(),
            in_flight: 0,
            taken: 0,
            is_writer_waiting: false,
            is_writer_awaited: false,
            spare: BytesMut::new(),
            is_closed: false,
            share: Share::of(pool),
            checked_from: 0,
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.buffer.len() + self.in_flight
    }

    /// Bytes that were appended so far.
    pub(super) fn appended(&self) -> u64 {
        self.taken + self.buffer.len() as u64
    }

    /// Drops all bytes, and takes no more.
    pub(super) fn clear<A>(&mut self, effects: &mut Effects<A>) {
        self.buffer = BytesMut::new();
        self.spare = BytesMut::new();
        self.share.clear();
        self.close(effects);
    }

    pub(super) fn close<A>(&mut self, effects: &mut Effects<A>) {
        self.is_closed = true;
        self.wake(effects);
    }

    #[inline]
    pub(super) fn wake<A>(&mut self, effects: &mut Effects<A>) {
        if self.is_writer_waiting {
            self.is_writer_waiting = false;
            self.is_writer_awaited = true;
            effects.push(Effect::Wake);
        }
    }

    /// Takes all bytes.
    fn take(&mut self) -> Poll<Chunk> {
        if self.buffer.is_empty() {
            return match self.is_closed {
                true => Poll::Ready(Chunk::End),
                false => Poll::Pending,
            };
        }
        self.is_writer_awaited = false;
        let spare = std::mem::take(&mut self.spare);
        let chunk = std::mem::replace(&mut self.buffer, spare);
        self.in_flight = chunk.len();
        self.taken += chunk.len() as u64;
        Poll::Ready(Chunk::Bytes(chunk))
    }

    /// Takes note of what was written.
    fn settle<A>(&mut self, written: &mut Written, effects: &mut Effects<A>) {
        let before = self.bytes();
        let bytes = std::mem::take(&mut written.bytes);
        self.in_flight = self.in_flight.saturating_sub(bytes);
        if let Some(buffer) = written.buffer.take() {
            self.spare = buffer;
        }
        if self.share.shrink(self.bytes()) {
            self.checked_from = self.checked_from.min(self.share.bytes());
        }
        if before >= written.high_water && self.bytes() < written.high_water {
            effects.push(Effect::Changed);
        }
    }

    /// Whether much waits for a writer that was woken and has not come. True once for each wake.
    #[inline]
    pub(super) fn is_writer_late(&mut self) -> bool {
        self.buffer.len() >= BATCH && std::mem::take(&mut self.is_writer_awaited)
    }
}

/// Cuts off what a failed or panicking encoding left in the buffer.
pub(super) struct Undo<'a> {
    pub(super) buffer: &'a mut BytesMut,
    pub(super) len: usize,
}

impl<'a> Undo<'a> {
    #[inline]
    pub(super) fn of(buffer: &'a mut BytesMut) -> Self {
        let len = buffer.len();
        Self { buffer, len }
    }

    /// Keeps what was appended.
    #[inline]
    pub(super) fn keep(mut self) {
        self.len = self.buffer.len();
    }
}

impl Drop for Undo<'_> {
    #[inline]
    fn drop(&mut self) {
        self.buffer.truncate(self.len);
    }
}

impl<C: Connection> Up<C> {
    fn answers(&self, high_water: usize) -> Answers {
        if self.is_shut() {
            Answers::Never
        } else if self.out.bytes() >= high_water {
            Answers::Later
        } else {
            Answers::Now
        }
    }
}

impl<A, C: Connection> Machine<A, C> {
    /// Whether an answer can be made now for what came over connection `generation`.
    pub fn answers(&mut self, generation: Generation, high_water: usize) -> Answers {
        let up = self.link.generation(generation);
        up.map_or(Answers::Never, |up| up.answers(high_water))
    }

    /// Sends a message that another node has asked to be sent, as it is or not at all. It costs the connection nothing
    /// that this node's own messages need.
    ///
    /// # Errors
    /// Where there is no connection, the queue to the peer is above `high_water` bytes, or the message does not fit.
    pub fn pass_on(&mut self, frame: &Frame<'_>, high_water: usize) -> Result<(), PassError> {
        let Link::Up(up) = &mut self.link else {
            return Err(PassError::NoLink);
        };
        match up.answers(high_water) {
            Answers::Never => Err(PassError::NoLink),
            Answers::Later => Err(PassError::Full),
            Answers::Now => Ok(up.send(frame, self.queue_limit, &mut self.effects)?),
        }
    }

    /// Takes note of what was written on connection `generation`, and takes the next bytes for its writer. Pending: the
    /// writer waits for [`Effect::Wake`].
    pub fn poll_chunk(&mut self, generation: Generation, written: &mut Written) -> Poll<Chunk> {
        let Some(up) = self.link.generation(generation) else {
            return Poll::Ready(Chunk::End);
        };
        up.out.settle(written, &mut self.effects);
        let chunk = up.out.take();
        up.out.is_writer_waiting = chunk.is_pending();
        chunk
    }

    /// As [`poll_chunk`](Self::poll_chunk) for a writer that looks again soon and is not woken: nothing while the bytes
    /// that wait are few and still grow, since more of them cost one write as well. `seen` is how many waited at the
    /// last look.
    pub fn try_chunk(
        &mut self,
        generation: Generation,
        written: &mut Written,
        seen: &mut usize,
    ) -> Option<Chunk> {
        let up = self.link.generation(generation)?;
        up.out.settle(written, &mut self.effects);
        let waits = up.out.buffer.len();
        let is_batch = waits >= BATCH || (waits > 0 && waits == *seen);
        *seen = waits;
        match is_batch.then(|| up.out.take()) {
            Some(Poll::Ready(chunk)) => Some(chunk),
            _ => None,
        }
    }

    /// Takes note of what was written of a chunk that is not written whole.
    pub fn wrote(&mut self, generation: Generation, written: &mut Written) {
        if let Some(up) = self.link.generation(generation) {
            up.out.settle(written, &mut self.effects);
        }
    }

    /// Takes no more messages for connection `generation`; the writer ends once all is written.
    pub fn finish(&mut self, generation: Generation) {
        if let Some(up) = self.link.generation(generation) {
            up.out.close(&mut self.effects);
        }
    }
}
