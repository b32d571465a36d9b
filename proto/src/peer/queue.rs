//! `SendQueue`: the encoded bytes of one connection, from the encoder to the writer.

use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;

use super::effect::{Effect, Effects};
use super::link::{Link, Up};
use super::reservation::{Pool, Reservation};
use super::{Connection, Generation, Machine};
use crate::codec::Frame;
use crate::value::EncodeError;

/// The largest capacity of a written buffer that is kept for reuse, in bytes.
const MAX_SPARE: usize = 256 << 10;

/// Bytes that justify a write of their own.
const BATCH: usize = 32 << 10;

/// The encoded bytes that wait for the writer of one connection.
pub(super) struct SendQueue {
    /// Senders append to it, the writer takes it as a whole.
    pub(super) buffer: BytesMut,
    /// Bytes that the writer has taken and not yet written.
    in_flight: usize,
    /// All bytes that the writer has taken so far.
    taken: u64,
    /// The writer waits for a wake.
    is_writer_waiting: bool,
    /// The writer was woken and has not taken bytes since.
    is_wake_pending: bool,
    /// An empty buffer for reuse.
    spare: BytesMut,
    pub(super) is_closed: bool,
    pub(super) reservation: Reservation,
    /// The length of the queue above which limits are checked.
    pub(super) check_above: usize,
}

/// What the writer does next.
#[derive(Debug)]
pub enum Chunk {
    /// Write these bytes.
    Bytes(BytesMut),
    /// Stop: the queue is closed and empty.
    End,
}

/// Whether this node can queue an answer to a request of a peer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// The queue to the peer is below its high-water mark.
    Now,
    /// The queue to the peer is above its high-water mark.
    Later,
    /// The connection takes no more messages.
    Never,
}

/// Why a message is not relayed to a peer.
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

/// What the writer has written since it last reported to the machine.
#[derive(Debug)]
pub struct Written {
    bytes: usize,
    /// A completely written buffer, for reuse.
    buffer: Option<BytesMut>,
    high_water: usize,
}

impl Written {
    /// Nothing written yet. Tasks that wait for the queue to fall below `high_water` bytes are woken then.
    pub fn nothing(high_water: usize) -> Self {
        Self {
            bytes: 0,
            buffer: None,
            high_water,
        }
    }

    /// Adds written bytes.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Returns the buffer of a chunk that is completely written, for reuse.
    pub fn recycle(&mut self, mut buffer: BytesMut) {
        if buffer.capacity() <= MAX_SPARE {
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
            is_wake_pending: false,
            spare: BytesMut::new(),
            is_closed: false,
            reservation: Reservation::new(pool),
            check_above: 0,
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.buffer.len() + self.in_flight
    }

    /// All bytes that were appended so far.
    pub(super) fn appended(&self) -> u64 {
        self.taken + self.buffer.len() as u64
    }

    /// Drops all bytes, and closes the queue.
    pub(super) fn clear<A>(&mut self, effects: &mut Effects<A>) {
        self.buffer = BytesMut::new();
        self.spare = BytesMut::new();
        self.reservation.release();
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
            self.is_wake_pending = true;
            effects.push(Effect::Wake);
        }
    }

    /// Takes all bytes for the writer.
    fn take(&mut self) -> Poll<Chunk> {
        if self.buffer.is_empty() {
            return match self.is_closed {
                true => Poll::Ready(Chunk::End),
                false => Poll::Pending,
            };
        }
        self.is_wake_pending = false;
        let spare = std::mem::take(&mut self.spare);
        let chunk = std::mem::replace(&mut self.buffer, spare);
        self.in_flight = chunk.len();
        self.taken += chunk.len() as u64;
        Poll::Ready(Chunk::Bytes(chunk))
    }

    /// Records what the writer has written. `pending` bytes wait for the next connection, which count for the high-water
    /// mark as well.
    fn record_written<A>(
        &mut self,
        pending: usize,
        written: &mut Written,
        effects: &mut Effects<A>,
    ) {
        let before = self.bytes();
        let bytes = std::mem::take(&mut written.bytes);
        self.in_flight = self.in_flight.saturating_sub(bytes);
        if let Some(buffer) = written.buffer.take() {
            self.spare = buffer;
        }
        if self.reservation.shrink(self.bytes()) {
            self.check_above = self.check_above.min(self.reservation.capacity());
        }
        let high_water = written.high_water.saturating_sub(pending);
        if before >= high_water && self.bytes() < high_water {
            effects.push(Effect::Changed);
        }
    }

    /// Whether a batch waits for a writer that was woken and has not run yet. True once for each wake.
    #[inline]
    pub(super) fn should_yield(&mut self) -> bool {
        self.buffer.len() >= BATCH && std::mem::take(&mut self.is_wake_pending)
    }
}

/// Truncates the buffer to its old length on drop, unless committed: removes the bytes of a failed or panicking encoder.
pub(super) struct Rollback<'a> {
    pub(super) buffer: &'a mut BytesMut,
    pub(super) len: usize,
}

impl<'a> Rollback<'a> {
    #[inline]
    pub(super) fn new(buffer: &'a mut BytesMut) -> Self {
        let len = buffer.len();
        Self { buffer, len }
    }

    /// Keeps the appended bytes.
    #[inline]
    pub(super) fn commit(mut self) {
        self.len = self.buffer.len();
    }
}

impl Drop for Rollback<'_> {
    #[inline]
    fn drop(&mut self) {
        self.buffer.truncate(self.len);
    }
}

impl<C: Connection> Up<C> {
    fn record_written<A>(&mut self, written: &mut Written, effects: &mut Effects<A>) {
        let pending = self.pending_bytes();
        self.out.record_written(pending, written, effects);
    }

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
    /// Whether an answer to a request on connection `generation` can be queued now.
    pub fn answers(&mut self, generation: Generation, high_water: usize) -> Answers {
        let up = self.link.generation(generation);
        up.map_or(Answers::Never, |up| up.answers(high_water))
    }

    /// Relays a message for another node. It is sent as it is or not at all, and only below the high-water mark, so that a
    /// relayed message never fails the connection.
    ///
    /// # Errors
    /// If there is no connection, the queue to the peer is above `high_water` bytes, or the message cannot be encoded.
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

    /// Records what was written on connection `generation`, and returns the next chunk for its writer. Pending: the writer
    /// waits for [`Effect::Wake`].
    pub fn poll_chunk(&mut self, generation: Generation, written: &mut Written) -> Poll<Chunk> {
        let Some(up) = self.link.generation(generation) else {
            return Poll::Ready(Chunk::End);
        };
        up.record_written(written, &mut self.effects);
        let chunk = up.out.take();
        up.out.is_writer_waiting = chunk.is_pending();
        chunk
    }

    /// As [`poll_chunk`](Self::poll_chunk), for a writer that polls again soon and needs no wake. Returns `None` while the
    /// queue is short and still grows, so that one write carries more bytes. `seen` is the length of the queue at the last
    /// call.
    pub fn try_chunk(
        &mut self,
        generation: Generation,
        written: &mut Written,
        seen: &mut usize,
    ) -> Option<Chunk> {
        let up = self.link.generation(generation)?;
        up.record_written(written, &mut self.effects);
        let waits = up.out.buffer.len();
        let is_batch = waits >= BATCH || (waits > 0 && waits == *seen);
        *seen = waits;
        match is_batch.then(|| up.out.take()) {
            Some(Poll::Ready(chunk)) => Some(chunk),
            _ => None,
        }
    }

    /// Records written bytes of a chunk that is only partly written.
    pub fn bytes_written(&mut self, generation: Generation, written: &mut Written) {
        if let Some(up) = self.link.generation(generation) {
            up.record_written(written, &mut self.effects);
        }
    }

    /// Closes the queue of connection `generation`. The writer gets [`Chunk::End`] when the queue is empty.
    pub fn finish(&mut self, generation: Generation) {
        if let Some(up) = self.link.generation(generation) {
            up.out.close(&mut self.effects);
        }
    }
}
