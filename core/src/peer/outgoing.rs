//! What goes out on a link: encoding into the shared buffer, and handing it to the writer.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aemp_proto::codec::encode;
use aemp_proto::message::cost_of;
use bytes::BytesMut;
use tokio::time::Instant;

use super::pool::{Pool, Share};
use super::{Generation, Link, Peer, Up};
use crate::codec::{Codec, DecodeError, EncodeError, Found, Frame, Limits, Outgoing, PeerInfo};
use crate::guard;
use crate::message::Values;
use crate::watchdog::soon;
use crate::{Excerpt, PortName, Value};

/// A written-out buffer above this size is not kept for the next batch.
const KEEP: usize = 256 << 10;

/// So many bytes are worth a write.
const LATE: usize = 32 << 10;

/// A message of so many bytes may be over the limits of its receiver: a value takes a byte at least.
const LARGE: usize = 1_000_000;

/// Bytes of an element that stays where what the node says is too large as a whole.
const SHORT: usize = 1 << 10;

/// For how long a message that may be too large is remembered as what the peer may have refused.
const RECENT: Duration = Duration::from_secs(30);

/// The last message that may have been too large for the peer.
pub(super) struct Large {
    port: PortName,
    bytes: usize,
    sent_at: Instant,
}

impl Large {
    #[cold]
    fn of(port: &str, bytes: usize) -> Self {
        Self {
            port: port.into(),
            bytes,
            sent_at: Instant::now(),
        }
    }
}

/// The bytes that wait for the writer of one link.
pub(super) struct Outbox {
    /// Appended to by senders, swapped out whole by the writer.
    buffer: BytesMut,
    /// Bytes that the writer has taken and not written yet.
    in_flight: usize,
    /// Bytes that the writer has been given so far.
    given: u64,
    /// The writer, when it waits for bytes.
    writer: Option<Waker>,
    /// An empty buffer to be used again.
    spare: BytesMut,
    /// The writer was woken, and has not come.
    awaited: bool,
    closed: bool,
    /// What it may hold.
    share: Share,
    /// The bytes that need no look at the limits.
    most: usize,
}

/// What the writer does next.
pub(crate) enum Chunk {
    /// Write these bytes.
    Bytes(BytesMut),
    /// Nothing more will come.
    End,
}

/// Whether an answer can be made for a peer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    Now,
    /// As much waits for the peer as should.
    Later,
    /// The connection takes no more messages.
    Never,
}

/// Why a message is not passed on to a peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsent {
    #[error("there is no connection to that node")]
    NoLink,
    #[error("too much waits for that node (high_water)")]
    Full,
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What the writer has written and the outbox does not know of.
pub(crate) struct Written {
    bytes: usize,
    /// A buffer that was written whole, to be used again.
    buffer: Option<BytesMut>,
    /// The node's setting.
    high_water: usize,
}

impl Written {
    /// Nothing yet.
    pub(crate) fn nothing(high_water: usize) -> Self {
        Self {
            bytes: 0,
            buffer: None,
            high_water,
        }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// A chunk is written whole.
    pub(crate) fn whole(&mut self, mut buffer: BytesMut) {
        if buffer.capacity() <= KEEP {
            buffer.clear();
            self.buffer = Some(buffer);
        }
    }
}

impl Outbox {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self {
            buffer: BytesMut::new(),
            in_flight: 0,
            given: 0,
            writer: None,
            spare: BytesMut::new(),
            awaited: false,
            closed: false,
            share: Share::of(pool),
            most: 0,
        }
    }

    /// How much of the pool it has taken.
    pub(super) fn pooled(&self) -> usize {
        self.share.taken()
    }

    pub(super) fn queued(&self) -> usize {
        self.buffer.len() + self.in_flight
    }

    /// Bytes that were appended so far.
    pub(super) fn appended(&self) -> u64 {
        self.given + self.buffer.len() as u64
    }

    pub(super) fn clear(&mut self) {
        self.buffer = BytesMut::new();
        self.spare = BytesMut::new();
        self.share.clear();
        self.close();
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.awaited = true;
            soon(writer);
        }
    }

    /// Takes all that waits.
    fn take(&mut self) -> Poll<Chunk> {
        if self.buffer.is_empty() {
            return match self.closed {
                true => Poll::Ready(Chunk::End),
                false => Poll::Pending,
            };
        }
        self.awaited = false;
        let spare = std::mem::take(&mut self.spare);
        let chunk = std::mem::replace(&mut self.buffer, spare);
        self.in_flight = chunk.len();
        self.given += chunk.len() as u64;
        Poll::Ready(Chunk::Bytes(chunk))
    }

    /// Takes note of what was written. Whether senders that waited need wait no longer.
    fn settle(&mut self, written: &mut Written) -> bool {
        let before = self.queued();
        self.in_flight = self
            .in_flight
            .saturating_sub(std::mem::take(&mut written.bytes));
        if let Some(buffer) = written.buffer.take() {
            self.spare = buffer;
        }
        if self.share.shrink(self.queued()) {
            self.most = self.most.min(self.share.bytes());
        }
        before >= written.high_water && self.queued() < written.high_water
    }

    /// Whether much waits already for a writer that was woken and has not come. Says so once.
    pub(super) fn is_late(&mut self) -> bool {
        self.buffer.len() >= LATE && std::mem::take(&mut self.awaited)
    }
}

impl Up {
    fn answers(&self, high_water: usize) -> Answers {
        if self.failed.is_some() || self.out.closed {
            Answers::Never
        } else if self.out.queued() >= high_water {
            Answers::Later
        } else {
            Answers::Now
        }
    }

    /// Encodes a message at the end of the buffer. Past the limit the link fails visibly: nothing vanishes in silence.
    // A part of `Peer::send`, under whose lock it runs.
    #[inline(always)]
    pub(super) fn send(&mut self, frame: &Frame<'_>, limit: usize) -> Result<(), EncodeError> {
        if self.failed.is_some() || self.out.closed {
            // Lost with the connection, whose monitors fire.
            return Ok(());
        }
        let start = self.out.buffer.len();
        let mut undo = Undo {
            len: start,
            buffer: &mut self.out.buffer,
        };
        encode(
            frame,
            &self.encoder,
            &self.capabilities,
            || self.codec.name(),
            undo.buffer,
        )?;
        let len = undo.buffer.len() - undo.len;
        if len > self.limits.message_size.min(self.limits.items) {
            check(
                &*self.codec,
                &self.limits,
                &self.facts,
                &undo.buffer[start..],
            )?;
        }
        self.sent.messages += 1;
        self.sent.bytes += len as u64;
        if len >= LARGE {
            self.large = Some(Large::of(frame.port, len));
        }
        undo.len = undo.buffer.len();
        drop(undo);
        if self.taps.is_on() {
            let message = &self.out.buffer[start..];
            self.taps.sent(&self.info, &*self.codec, message);
        }
        if self.out.queued() > self.out.most {
            self.take_room(limit);
        }
        self.out.wake();
        Ok(())
    }

    /// The queue has become longer than it was: it takes its share of the pool, or the link fails.
    #[cold]
    fn take_room(&mut self, limit: usize) {
        let queued = self.out.queued();
        if queued > limit {
            self.fail(format!(
                "more than {limit} bytes wait to be sent (queue_limit)"
            ));
        } else {
            self.out.share.grow(queued);
            self.out.most = limit.min(self.out.share.bytes());
        }
    }

    /// Sends what the node itself says: an element that the codec lacks is replaced by its diagnostic text.
    pub(super) fn send_fitting(&mut self, port: &PortName, values: &[Value], limit: usize) {
        if self.failed.is_some() || self.out.closed {
            // As in `send`, before the values are copied.
            return;
        }
        let fitting = self.capabilities.fit(values);
        let sent = guard::run(|| {
            let mut sent = self.send(&Frame::of(port.as_str(), &fitting), limit);
            if let Err(EncodeError::TooLarge { .. } | EncodeError::TooManyItems { .. }) = sent {
                // Not the request and the port's name, which the peer knows it by.
                let kept = if port.is_node_port() { 2 } else { 0 };
                let (kept, rest) = fitting.split_at(kept.min(fitting.len()));
                let short: Values = kept
                    .iter()
                    .cloned()
                    .chain(rest.iter().map(shortened))
                    .collect();
                sent = self.send(&Frame::of(port.as_str(), &short), limit);
            }
            sent
        });
        // Nothing is left in it that the codec lacks; a codec that refuses it all the same has a fault.
        let fault = match sent {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        self.fail(format!(
            "the codec refuses what the node itself says: {fault}"
        ));
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

/// Checks a message of which the length alone does not tell that it keeps within `limits`.
#[cold]
fn check(
    codec: &dyn Codec,
    limits: &Limits,
    facts: &PeerInfo,
    message: &[u8],
) -> Result<(), EncodeError> {
    let (size, limit) = (message.len(), limits.message_size);
    if size > limit {
        return Err(EncodeError::TooLarge { size, limit });
    }
    match codec.decoder(limits, facts).find(message) {
        Ok(Found::Message { .. } | Found::Decoded { .. } | Found::Keepalive { .. }) => Ok(()),
        Err(DecodeError::TooManyItems { limit }) => Err(EncodeError::TooManyItems { limit }),
        Ok(Found::Need { .. }) => Err(EncodeError::Serialize("it has no end".into())),
        Err(error) => Err(EncodeError::Serialize(error.to_string())),
    }
}

/// An element of what the node says, or a word in its place if it is large: most often it is a reason.
fn shortened(value: &Value) -> Value {
    match cost_of(std::slice::from_ref(value)) > SHORT {
        true => Value::from("(left out: too large to be sent)"),
        false => value.clone(),
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
    /// Whether an answer can be made now for what came over `generation`.
    pub(crate) fn answers(&self, generation: Generation, high_water: usize) -> Answers {
        let mut state = self.lock();
        state
            .up(generation)
            .map_or(Answers::Never, |up| up.answers(high_water))
    }

    /// Sends a message that another node has asked to be sent, as it is or not at all. It costs the connection nothing
    /// that this node's own messages need.
    pub(crate) fn pass_on(
        &self,
        port: &PortName,
        body: Outgoing<'_>,
        high_water: usize,
    ) -> Result<(), Unsent> {
        let mut state = self.lock();
        let Link::Up(up) = &mut state.link else {
            return Err(Unsent::NoLink);
        };
        match up.answers(high_water) {
            Answers::Never => Err(Unsent::NoLink),
            Answers::Later => Err(Unsent::Full),
            Answers::Now => {
                let (port, reply) = (port.as_str(), None);
                Ok(up.send(&Frame { port, body, reply }, self.queue_limit)?)
            }
        }
    }

    /// `why` the connection `generation` was ended by the peer, with what the peer may not have taken: one that refuses a
    /// message closes the connection without a word.
    pub(crate) fn ended_by_peer(&self, generation: Generation, why: String) -> String {
        let mut state = self.lock();
        let large = state.up(generation).and_then(|up| up.large.take());
        let Some(large) = large.filter(|large| large.sent_at.elapsed() < RECENT) else {
            return why;
        };
        let (ago, limits) = (large.sent_at.elapsed(), Limits::default());
        format!(
            "{why}; {:.1} s before, a message of {} bytes to {:?} was sent: a node takes at most {} bytes, {} values and \
             {} levels in one unless its limits say otherwise, and only its log tells if it refused this one",
            ago.as_secs_f64(),
            large.bytes,
            Excerpt(self.id.port(large.port)),
            limits.message_size,
            limits.items,
            limits.depth,
        )
    }

    /// Settles what was written over `generation`, and takes the next batch for its writer.
    pub(crate) fn poll_chunk(
        &self,
        generation: Generation,
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Poll<Chunk> {
        let mut state = self.lock();
        let Some(Up { out, .. }) = state.up(generation) else {
            return Poll::Ready(Chunk::End);
        };
        let now_ready = out.settle(written);
        let chunk = out.take();
        if chunk.is_pending() {
            out.writer = Some(cx.waker().clone());
        }
        drop(state);
        self.tell_ready(now_ready);
        chunk
    }

    /// The same, but nothing while a sender is at it, or while what waits is little and still grows: it is better to wait
    /// for more then. `seen` is how many bytes waited when this was asked last.
    pub(crate) fn try_chunk(
        &self,
        generation: Generation,
        written: &mut Written,
        seen: &mut usize,
    ) -> Option<Chunk> {
        // Poisoned: `poll_chunk` sorts that out.
        let mut state = self.state.try_lock().ok()?;
        let Up { out, .. } = state.up(generation)?;
        let now_ready = out.settle(written);
        let waits = out.buffer.len();
        let enough = waits >= LATE || (waits > 0 && waits == *seen);
        *seen = waits;
        let chunk = enough.then(|| out.take());
        drop(state);
        self.tell_ready(now_ready);
        match chunk {
            Some(Poll::Ready(chunk)) => Some(chunk),
            _ => None,
        }
    }

    /// Settles what was written of a chunk that is not written whole.
    pub(crate) fn wrote(&self, generation: Generation, written: &mut Written) {
        let mut state = self.lock();
        let now_ready = state
            .up(generation)
            .is_some_and(|up| up.out.settle(written));
        drop(state);
        self.tell_ready(now_ready);
    }

    fn tell_ready(&self, now_ready: bool) {
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

    /// Lets a keepalive (`[]`) go out if nothing else waits. Where this end holds the connection and the peer cannot
    /// see that, it is an empty request, which is ignored as well but is a message: so a peer with an `idle_timeout`
    /// knows. AnyEvent::MP nodes have none.
    pub(crate) fn keepalive(&self, generation: Generation, bytes: &[u8], seed: bool) {
        let mut state = self.lock();
        let holds = state.holds_unseen(seed);
        let Some(up) = state.up(generation) else {
            return;
        };
        if up.out.queued() > 0 || up.out.closed {
            return;
        }
        if holds && !up.facts.is_perl() {
            up.send_fitting(&PortName::NODE_PORT, &[Value::from("")], self.queue_limit);
        } else {
            up.out.buffer.extend_from_slice(bytes);
            up.out.wake();
        }
    }
}
