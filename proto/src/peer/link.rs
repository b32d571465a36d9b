//! `Link`: the state of the connection to a peer (down, connecting or up), and how a connection comes up, closes, fails
//! and ends.

use bytes::BytesMut;

use super::effect::{Effect, Effects};
use super::pending::Pending;
use super::queue::{Rollback, SendQueue};
use super::reservation::Reservation;
use super::watches::Watches;
use super::{Machine, Wait};
use crate::codec::Frame;
use crate::guard;
use crate::message::cost_of;
use crate::node_protocol::TraceContext;
use crate::value::EncodeError;
use crate::value::Values;
use crate::{PortName, Reason, Value};

/// The number of a connection to a peer. Each connection has a greater one than the connection before. State of one
/// generation is never used for another.
pub type Generation = u64;

/// The encoder of a connection that is up.
pub trait Connection {
    /// Appends a message to `out`. On an error or a panic the machine removes the appended bytes.
    ///
    /// # Errors
    /// If the codec cannot encode an element, or the message exceeds a limit.
    fn encode(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), EncodeError>;

    /// As [`encode`](Self::encode), with the context before the message if the peer reads contexts. By default no peer does.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    fn encode_traced(
        &mut self,
        context: &TraceContext,
        frame: &Frame<'_>,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let _ = context;
        self.encode(frame, out)
    }

    /// Replaces elements that the codec cannot encode by their diagnostic text.
    fn fit(&self, elements: &[Value]) -> Values;
}

/// The largest element, in bytes, that is kept when a message of the node itself is too large as a whole.
const MAX_ELEMENT: usize = 1 << 10;

pub(super) enum Link<C> {
    /// No connection, and none is wanted.
    Down,
    /// A connection is wanted. Messages are pending until it is up.
    Connecting(Pending),
    Up(Box<Up<C>>),
}

/// A connection that is up.
pub(super) struct Up<C> {
    pub(super) generation: Generation,
    pub(super) connection: C,
    pub(super) out: SendQueue,
    pub(super) watched: Watches,
    /// Memory for incomplete messages in the read buffer.
    reading: Reservation,
    /// Why the connection has failed. Nothing more is sent on a failed connection.
    pub(super) failed: Option<String>,
    /// The messages for the next connection, while this one closes gracefully.
    closing: Option<Pending>,
}

impl<A, C: Connection> Machine<A, C> {
    /// A connection is authenticated. Pending messages are encoded in order, before any later message. `generation`
    /// must be greater than that of all earlier connections, all of which must be [`down`](Self::down).
    ///
    /// If a pending message exceeds a limit, [`Effect::Fail`] comes before [`Effect::Up`].
    pub fn up(&mut self, generation: Generation, connection: C) {
        debug_assert!(
            !self.is_up() && generation > self.generation,
            "one connection at a time"
        );
        self.generation = generation;
        let up = Up {
            generation,
            connection,
            out: SendQueue::new(&self.pool),
            watched: Watches::new(&self.pool),
            reading: Reservation::new(&self.pool),
            failed: None,
            closing: None,
        };
        let before = std::mem::replace(&mut self.link, Link::Up(Box::new(up)));
        #[cfg(aemp_faults)]
        let before = self.inject_at_up(before);
        if let Link::Connecting(pending) = before {
            // The codec can be code of the program, which may panic.
            let sent = guard::run(|| self.send_pending(pending));
            if let (Err(panic), Link::Up(up)) = (sent, &mut self.link) {
                let reason = format!("the codec panicked: {panic}");
                up.fail(reason, &mut self.effects);
            }
        }
        self.effects.push(Effect::Up(generation));
        #[cfg(aemp_faults)]
        self.inject_after_up(generation);
        self.effects.push(Effect::Changed);
    }

    /// Connection `generation` has ended, for this reason unless it had failed for another one. Releases the state of
    /// the connection. Returns the connection, if it was up, and the reason.
    pub fn down(&mut self, generation: Generation, reason: &str) -> Option<(C, String)> {
        self.link.generation(generation)?;
        let Link::Up(up) = std::mem::replace(&mut self.link, Link::Down) else {
            return None;
        };
        #[cfg(aemp_faults)]
        self.inject_at_down(&up);
        let (is_closing, queued) = (up.is_closing(), up.out.bytes());
        let Up {
            connection,
            watched,
            failed,
            closing,
            ..
        } = *up;
        let next = closing.filter(|_| failed.is_none());
        let reason = failed.unwrap_or_else(|| reason.to_owned());
        match next {
            // The monitors of this connection fired when it began to close. Present monitors belong to the next one.
            Some(next) if !(next.queue.is_empty() && self.monitors.is_empty()) => {
                self.effects.push(Effect::Connect(next.number));
                self.link = Link::Connecting(next);
            }
            Some(_) => {}
            None => self.fire_all(&reason),
        }
        if queued > 0 {
            self.effects.push(Effect::Lost(queued));
        }
        let mut ports: Vec<_> = watched.ports.into_keys().collect();
        if !ports.is_empty() {
            // A deterministic order.
            ports.sort_unstable();
            self.effects.push(Effect::Unwatch(generation, ports));
        }
        if !is_closing {
            let reason = reason.clone();
            self.effects.push(Effect::Down { generation, reason });
        }
        self.effects.push(Effect::Changed);
        Some((connection, reason))
    }

    /// Fails connection `generation` for this reason: nothing more is sent on it, and its task must end and call
    /// [`down`](Self::down).
    pub fn fail(&mut self, generation: Generation, reason: &str) {
        if let Some(up) = self.link.generation(generation) {
            up.fail(reason.to_owned(), &mut self.effects);
        }
    }

    /// The connection that `wait` stands for cannot be made, for this reason. Pending messages are dropped and monitors
    /// fire. Does nothing if this wait is over, and returns whether it was not.
    pub fn unreachable(&mut self, wait: Wait, reason: &str) -> bool {
        let is_waiting = self.is_waiting(wait);
        if is_waiting {
            self.drop_pending(reason);
        }
        is_waiting
    }

    /// Releases the memory of this peer: fails the connection, or drops the pending messages.
    pub fn evict(&mut self, reason: &str) {
        match &mut self.link {
            Link::Down => {}
            Link::Connecting(_) => self.drop_pending(reason),
            Link::Up(up) => up.fail(reason.to_owned(), &mut self.effects),
        }
    }

    pub(super) fn drop_pending(&mut self, reason: &str) {
        let lost = self.queued();
        self.link = Link::Down;
        self.fire_all(reason);
        if lost > 0 {
            self.effects.push(Effect::Lost(lost));
        }
        self.effects.push(Effect::GaveUp(reason.to_owned()));
        self.effects.push(Effect::Changed);
    }

    fn fire_all(&mut self, reason: &str) {
        #[cfg_attr(not(aemp_faults), expect(unused_mut, reason = "a fault changes it"))]
        let mut monitors = self.monitors.drain();
        if !monitors.is_empty() {
            let reason = Reason::transport_error(&self.peer, reason);
            #[cfg(aemp_faults)]
            self.inject_at_fire(&mut monitors, &reason);
            self.effects.push(Effect::Fire(monitors, reason));
        }
    }

    /// Closes connection `generation` gracefully for this reason, if the queue is empty, no monitor needs the
    /// connection and no opening is in progress. Returns whether the connection is closing now.
    pub fn close_idle(&mut self, generation: Generation, reason: &str) -> bool {
        // A probe may be about to be sent, or the peer about to replace the connection.
        let is_busy = self.queued() > 0 || !self.admission.is_empty();
        let is_idle = !is_busy && self.is_unused(generation);
        if is_idle {
            self.close(generation, reason);
        }
        is_idle
    }

    /// The peer has closed its direction of connection `generation`. Monitors fire. The queue is still drained, as the
    /// peer may go on reading.
    pub fn peer_closed(&mut self, generation: Generation, reason: &str) {
        self.close(generation, reason);
    }

    fn close(&mut self, generation: Generation, reason: &str) {
        let wait = self.next_wait();
        let Some(up) = self.link.generation(generation) else {
            return;
        };
        // Monitors set while the connection closes belong to the next connection.
        if up.failed.is_some() || up.is_closing() {
            return;
        }
        up.out.close(&mut self.effects);
        up.closing = Some(Pending::new(wait));
        self.fire_all(reason);
        let reason = reason.to_owned();
        self.effects.push(Effect::Down { generation, reason });
        self.effects.push(Effect::Changed);
    }

    /// Whether connection `generation` is up, neither failed nor closing, and has no monitors in either direction.
    pub fn is_unused(&mut self, generation: Generation) -> bool {
        let is_unmonitored = self.monitors.is_empty();
        self.link.generation(generation).is_some_and(|up| {
            is_unmonitored && up.watched.count == 0 && up.failed.is_none() && !up.is_closing()
        })
    }

    /// Reserves memory for `bytes` of an incomplete message in the read buffer of connection `generation`.
    /// Returns the size up to which the buffer can grow before the next call.
    pub fn reserve_read(&mut self, generation: Generation, bytes: usize) -> usize {
        match self.link.generation(generation) {
            Some(up) if up.failed.is_none() => {
                up.reading.resize(bytes);
                up.reading.capacity()
            }
            _ => bytes,
        }
    }

    /// Bytes of the pool that are reserved for this peer.
    pub fn pooled(&self) -> usize {
        match &self.link {
            Link::Down => 0,
            Link::Connecting(pending) => pending.pooled(),
            Link::Up(up) => {
                let next = up.closing.as_ref().map_or(0, Pending::pooled);
                up.out.reservation.reserved()
                    + next
                    + up.watched.reservation.reserved()
                    + up.reading.reserved()
            }
        }
    }

    /// Bytes that wait to be sent: queued on the connection, or pending.
    pub fn queued(&self) -> usize {
        match &self.link {
            Link::Down => 0,
            Link::Connecting(pending) => pending.bytes,
            Link::Up(up) => up.out.bytes() + up.pending_bytes(),
        }
    }

    /// Whether there is a connection, including one that is closing or has failed.
    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// The connection, unless it is closing.
    pub fn connection(&self) -> Option<&C> {
        match &self.link {
            Link::Up(up) if !up.is_closing() => Some(&up.connection),
            _ => None,
        }
    }

    /// Connection `generation`, including one that is closing or has failed.
    pub fn connection_of(&mut self, generation: Generation) -> Option<&mut C> {
        self.link
            .generation(generation)
            .map(|up| &mut up.connection)
    }
}

impl<C> Link<C> {
    /// The connection of this generation, if it is up.
    #[inline]
    pub(super) fn generation(&mut self, generation: Generation) -> Option<&mut Up<C>> {
        match self {
            Self::Up(up) if up.generation == generation => Some(up),
            _ => None,
        }
    }

    /// The pending messages for the next connection, if messages have to wait for one.
    pub(super) fn pending(&mut self) -> Option<&mut Pending> {
        match self {
            Self::Connecting(pending) => Some(pending),
            // On a failed connection the pending messages are lost too, and our monitors fire.
            Self::Up(up) => up.closing.as_mut().filter(|_| up.failed.is_none()),
            Self::Down => None,
        }
    }
}

impl<C> Up<C> {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Bytes that wait for the next connection.
    pub(super) fn pending_bytes(&self) -> usize {
        self.closing.as_ref().map_or(0, |next| next.bytes)
    }

    /// Whether the connection drops messages: it has failed or its queue is closed. Its monitors fire.
    #[inline]
    pub(super) fn is_shut(&self) -> bool {
        self.failed.is_some() || self.out.is_closed
    }

    /// Fails the connection: drops the queue, and the messages for the next connection if this one is closing. Memory
    /// is released at once.
    pub(super) fn fail<A>(&mut self, reason: String, effects: &mut Effects<A>) {
        if self.failed.is_some() {
            return;
        }
        self.failed = Some(reason);
        self.out.clear(effects);
        self.watched.reservation.release();
        self.reading.release();
        if let Some(next) = &mut self.closing {
            next.clear();
        }
        effects.push(Effect::Fail(self.generation));
    }
}

impl<C: Connection> Up<C> {
    /// Encodes a message at the end of the queue. If the queue exceeds the limit, the connection fails, so that the
    /// loss is reported.
    // Called once for each message, by `Machine::send`.
    #[inline(always)]
    pub(super) fn send<A>(
        &mut self,
        frame: &Frame<'_>,
        limit: usize,
        effects: &mut Effects<A>,
    ) -> Result<(), EncodeError> {
        self.append(limit, effects, |connection, out| {
            connection.encode(frame, out)
        })
    }

    /// Encodes a message with its context at the end of the queue, as [`send`](Self::send) does: both or neither.
    pub(super) fn send_traced<A>(
        &mut self,
        context: &TraceContext,
        frame: &Frame<'_>,
        limit: usize,
        effects: &mut Effects<A>,
    ) -> Result<(), EncodeError> {
        self.append(limit, effects, |connection, out| {
            connection.encode_traced(context, frame, out)
        })
    }

    #[inline(always)]
    fn append<A>(
        &mut self,
        limit: usize,
        effects: &mut Effects<A>,
        encode: impl FnOnce(&mut C, &mut BytesMut) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if self.is_shut() {
            return Ok(());
        }
        let rollback = Rollback::new(&mut self.out.buffer);
        encode(&mut self.connection, rollback.buffer)?;
        rollback.commit();
        if self.out.bytes() > self.out.check_above {
            self.check_limits(limit, effects);
        }
        self.out.wake(effects);
        Ok(())
    }

    /// Checks the queue against the limit: fails the connection, or grows the reservation.
    #[cold]
    fn check_limits<A>(&mut self, limit: usize, effects: &mut Effects<A>) {
        let queued = self.out.bytes();
        if queued > limit && !faulty!(QueueUnlimited) {
            let reason = format!("more than {limit} bytes wait to be sent (queue_limit)");
            self.fail(reason, effects);
        } else {
            self.out.reservation.grow(queued);
            self.out.check_above = limit.min(self.out.reservation.capacity());
        }
    }

    /// Sends a message that the node itself makes. Elements that the codec cannot encode are replaced by their
    /// diagnostic text, elements that are too large by a note.
    pub(super) fn send_fitting<A>(
        &mut self,
        port: &PortName,
        values: &[Value],
        limit: usize,
        effects: &mut Effects<A>,
    ) {
        if self.is_shut() {
            return;
        }
        let fitting = self.connection.fit(values);
        let sent = guard::run(|| {
            let frame = Frame::new(port.as_str(), &fitting);
            let mut sent = self.send(&frame, limit, effects);
            if let Err(EncodeError::TooLarge { .. } | EncodeError::TooManyItems { .. }) = sent {
                // A request is useless without its name and the name of the port.
                let kept = if port.is_node_port() { 2 } else { 0 };
                let (kept, rest) = fitting.split_at(kept.min(fitting.len()));
                let kept = kept.iter().cloned();
                let short: Values = kept.chain(rest.iter().map(shortened)).collect();
                sent = self.send(&Frame::new(port.as_str(), &short), limit, effects);
            }
            sent
        });
        // The codec can encode all these elements. If it still refuses the message, the codec has a bug.
        let fault = match sent {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        let reason = format!("the codec refuses what the node itself says: {fault}");
        self.fail(reason, effects);
    }
}

/// Replaces a large element by a note. Most often the element is part of a reason.
fn shortened(value: &Value) -> Value {
    match cost_of(std::slice::from_ref(value)) > MAX_ELEMENT {
        true => Value::from("(left out: too large to be sent)"),
        false => value.clone(),
    }
}
