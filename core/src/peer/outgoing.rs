//! What goes out on a link: encoding into the shared buffer, and handing it to the writer.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};

use super::{Generation, Peer, Up};
use crate::codec::{EncodeError, Frame};
use crate::{PortName, Value};

/// A written-out buffer above this size is not kept for the next batch.
const KEEP: usize = 256 << 10;

/// So many bytes are worth a write.
const LATE: usize = 32 << 10;

/// The bytes that wait for the writer of one link.
#[derive(Default)]
pub(super) struct Outbox {
    /// Appended to by senders, swapped out whole by the writer.
    buffer: BytesMut,
    /// Bytes that the writer has taken and not written yet.
    in_flight: usize,
    /// The writer, when it waits for bytes.
    writer: Option<Waker>,
    /// An empty buffer to be used again.
    spare: BytesMut,
    /// The writer was woken, and has not come.
    awaited: bool,
    closed: bool,
}

/// What the writer does next.
pub(crate) enum Chunk {
    /// Write these bytes.
    Bytes(BytesMut),
    /// Nothing more will come.
    End,
}

impl Outbox {
    pub(super) fn queued(&self) -> usize {
        self.buffer.len() + self.in_flight
    }

    pub(super) fn clear(&mut self) {
        self.buffer = BytesMut::new();
        self.spare = BytesMut::new();
        self.close();
    }

    fn close(&mut self) {
        self.closed = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.awaited = true;
            writer.wake();
        }
    }

    /// Whether much waits already for a writer that was woken and has not come. Says so once.
    pub(super) fn is_late(&mut self) -> bool {
        self.buffer.len() >= LATE && std::mem::take(&mut self.awaited)
    }
}

impl Up {
    /// Encodes a message at the end of the buffer. Past the limit the link fails visibly: nothing vanishes in silence.
    pub(super) fn send(&mut self, frame: &Frame<'_>, limit: usize) -> Result<(), EncodeError> {
        if self.failed.is_some() || self.out.closed {
            // Lost with the connection, whose monitors fire.
            return Ok(());
        }
        let mut undo = Undo {
            len: self.out.buffer.len(),
            buffer: &mut self.out.buffer,
        };
        frame.encode(
            self.sink,
            &self.capabilities,
            self.codec.name(),
            undo.buffer,
        )?;
        self.sent.messages += 1;
        self.sent.bytes += (undo.buffer.len() - undo.len) as u64;
        undo.len = undo.buffer.len();
        drop(undo);
        if self.out.queued() > limit {
            self.fail(format!(
                "more than {limit} bytes wait to be sent (queue_limit)"
            ));
        }
        self.out.wake();
        Ok(())
    }

    /// Sends what the node itself says: an element that the codec lacks is replaced by its diagnostic text.
    pub(super) fn send_fitting(&mut self, port: &PortName, values: &[Value], limit: usize) {
        let fitting = self.capabilities.fit(values);
        if let Err(error) = self.send(&Frame::of(port.as_str(), &fitting), limit) {
            // Nothing is left in it that the codec lacks; a codec that refuses it all the same has a fault.
            self.fail(format!(
                "the codec refuses what the node itself says: {error}"
            ));
        }
    }
}

#[cfg(aemp_faults)]
impl Outbox {
    /// What nobody has taken to write it.
    pub(super) fn unwritten(&self) -> BytesMut {
        self.buffer.clone()
    }

    pub(super) fn prepend(&mut self, mut bytes: BytesMut) {
        bytes.extend_from_slice(&self.buffer);
        self.buffer = bytes;
    }

    /// Puts what came behind `before` queued bytes in front of those.
    pub(super) fn last_first(&mut self, before: usize) {
        let last = self.queued().saturating_sub(before).min(self.buffer.len());
        self.buffer.rotate_right(last);
    }
}

/// Cuts off what a failed or panicking encoding left in the buffer.
struct Undo<'a> {
    buffer: &'a mut BytesMut,
    len: usize,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        self.buffer.truncate(self.len);
    }
}

impl Peer {
    /// The next batch for the writer of `generation`. Give what was written back to [`wrote`](Self::wrote).
    pub(crate) fn poll_chunk(&self, generation: Generation, cx: &mut Context<'_>) -> Poll<Chunk> {
        let mut state = self.lock();
        let Some(Up { out, .. }) = state.up(generation) else {
            return Poll::Ready(Chunk::End);
        };
        if out.buffer.is_empty() {
            if out.closed {
                return Poll::Ready(Chunk::End);
            }
            out.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        out.awaited = false;
        let spare = std::mem::take(&mut out.spare);
        let chunk = std::mem::replace(&mut out.buffer, spare);
        out.in_flight = chunk.len();
        Poll::Ready(Chunk::Bytes(chunk))
    }

    /// `bytes` of a chunk are written; `buffer` is what is left of it.
    pub(crate) fn wrote(
        &self,
        generation: Generation,
        bytes: usize,
        buffer: &mut BytesMut,
        high_water: usize,
    ) {
        let mut state = self.lock();
        let Some(up) = state.up(generation) else {
            return;
        };
        let before = up.out.queued();
        up.out.in_flight = up.out.in_flight.saturating_sub(bytes);
        if !buffer.has_remaining() && buffer.capacity() <= KEEP {
            buffer.clear();
            up.out.spare = std::mem::take(buffer);
        }
        let now_ready = before >= high_water && up.out.queued() < high_water;
        drop(state);
        if now_ready {
            self.changed.notify_waiters();
        }
    }

    /// Takes no more messages for `generation`; the writer ends once all is written.
    pub(crate) fn finish(self: &Arc<Self>, generation: Generation) {
        if let Some(up) = self.lock().up(generation) {
            up.out.close();
        }
    }

    /// Lets a keepalive (`[]`) go out if nothing else waits.
    pub(crate) fn keepalive(&self, generation: Generation, bytes: &[u8]) {
        if let Some(up) = self.lock().up(generation)
            && up.out.queued() == 0
            && !up.out.closed
        {
            up.out.buffer.extend_from_slice(bytes);
            up.out.wake();
        }
    }
}
