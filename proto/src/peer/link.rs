//! The connection to a peer: none, one that is waited for, or one that is up. How it comes up, closes in order, fails
//! and ends.

use bytes::BytesMut;

use super::effect::{Effect, Effects};
use super::outgoing::{SendQueue, Undo};
use super::share::Share;
use super::waiting::Waiting;
use super::watched::Watched;
use super::{Machine, Wait};
use crate::codec::Frame;
use crate::guard;
use crate::message::cost_of;
use crate::value::EncodeError;
use crate::value::Values;
use crate::{PortName, Reason, Value};

/// Which connection: the connections of a node are numbered as they come up. What belongs to one never gets into the
/// next.
pub type Generation = u64;

/// What the machine needs from outside for a connection that is up: how messages become bytes on it.
pub trait Connection {
    /// Appends a message to `out`. On an error or a panic the machine cuts off what was appended.
    ///
    /// # Errors
    /// Where the codec cannot carry an element, or the message exceeds a limit.
    fn encode(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), EncodeError>;

    /// The elements with those replaced by their diagnostic text that the codec cannot carry.
    fn fit(&self, elements: &[Value]) -> Values;
}

/// Bytes of an element that is kept where a message of the node's own is too large as a whole.
const SHORT: usize = 1 << 10;

pub(super) enum Link<C> {
    /// No connection, and nothing that needs one.
    Down,
    /// No connection yet, and messages that wait for one.
    Waiting(Waiting),
    Up(Box<Up<C>>),
}

/// A connection that is up.
pub(super) struct Up<C> {
    pub(super) generation: Generation,
    pub(super) connection: C,
    pub(super) out: SendQueue,
    /// Our ports that the peer watches.
    pub(super) watched: Watched,
    /// For what was read of a message that is not whole.
    reading: Share,
    /// Why the connection has failed, if it has: nothing more is sent on it.
    pub(super) failed: Option<String>,
    /// What waits for the next connection, if this one is being closed in order.
    closing: Option<Waiting>,
}

impl<A, C: Connection> Machine<A, C> {
    /// A connection is authenticated: what waits is encoded in order, then messages flow. `generation` is greater than
    /// that of any connection before.
    pub fn up(&mut self, generation: Generation, connection: C) {
        self.generation = generation;
        let up = Up {
            generation,
            connection,
            out: SendQueue::new(&self.pool),
            watched: Watched::new(&self.pool),
            reading: Share::of(&self.pool),
            failed: None,
            closing: None,
        };
        let before = std::mem::replace(&mut self.link, Link::Up(Box::new(up)));
        #[cfg(aemp_faults)]
        let before = self.break_up(before);
        if let Link::Waiting(waiting) = before {
            // The codec may be the program's.
            let sent = guard::run(|| self.send_waited(waiting));
            if let (Err(panic), Link::Up(up)) = (sent, &mut self.link) {
                let reason = format!("the codec panicked: {panic}");
                up.fail(reason, &mut self.effects);
            }
        }
        self.effects.push(Effect::Up(generation));
        #[cfg(aemp_faults)]
        self.break_after_up(generation);
        self.effects.push(Effect::Changed);
    }

    /// Connection `generation` has ended, for this reason unless it has failed for another: all that belongs to it is
    /// settled. Returns the connection, if it was up, and why it went down.
    pub fn down(&mut self, generation: Generation, reason: &str) -> Option<(C, String)> {
        self.link.generation(generation)?;
        let Link::Up(up) = std::mem::replace(&mut self.link, Link::Down) else {
            return None;
        };
        #[cfg(aemp_faults)]
        self.break_down(&up);
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
            // The monitors of this connection have fired when it began to close: these are of the next.
            Some(next) if !(next.queue.is_empty() && self.monitors.is_empty()) => {
                self.effects.push(Effect::Connect(next.number));
                self.link = Link::Waiting(next);
            }
            Some(_) => {}
            None => self.fire_all(&reason),
        }
        if queued > 0 {
            self.effects.push(Effect::Lost(queued));
        }
        let mut ports: Vec<_> = watched.ports.into_keys().collect();
        if !ports.is_empty() {
            // In an order that is the same in every run.
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

    /// Ends connection `generation` for this reason: nothing more is sent on it, and its task is to call
    /// [`down`](Self::down).
    pub fn fail(&mut self, generation: Generation, reason: &str) {
        if let Some(up) = self.link.generation(generation) {
            up.fail(reason.to_owned(), &mut self.effects);
        }
    }

    /// No connection can be had for what waits as `wait`, for this reason: it is dropped, and our monitors fire.
    pub fn unreachable(&mut self, wait: Wait, reason: &str) {
        if self.waits(wait) {
            self.give_up(reason);
        }
    }

    /// Gives up what most memory is held for: the connection, or what waits for one.
    pub fn evict(&mut self, reason: &str) {
        match &mut self.link {
            Link::Down => {}
            Link::Waiting(_) => self.give_up(reason),
            Link::Up(up) => up.fail(reason.to_owned(), &mut self.effects),
        }
    }

    pub(super) fn give_up(&mut self, reason: &str) {
        let lost = self.queued();
        self.link = Link::Down;
        self.effects.push(Effect::GaveUp(reason.to_owned()));
        if lost > 0 {
            self.effects.push(Effect::Lost(lost));
        }
        self.fire_all(reason);
        self.effects.push(Effect::Changed);
    }

    fn fire_all(&mut self, reason: &str) {
        #[cfg_attr(not(aemp_faults), expect(unused_mut, reason = "a fault changes it"))]
        let mut monitors = self.monitors.drain();
        if !monitors.is_empty() {
            let reason = Reason::transport_error(&self.peer, reason);
            #[cfg(aemp_faults)]
            self.break_fire(&mut monitors, &reason);
            self.effects.push(Effect::Fire(monitors, reason));
        }
    }

    /// Begins to close connection `generation` for this reason, if nothing is sent or received on it, no monitor needs
    /// it and no opening is under way. Returns whether it does.
    pub fn close_idle(&mut self, generation: Generation, reason: &str) -> bool {
        // A question for a sign of life may be about to go out, or the peer about to connect anew.
        let is_busy = self.queued() > 0 || !self.admission.is_empty();
        let is_idle = !is_busy && self.is_unused(generation);
        if is_idle {
            self.close(generation, reason);
        }
        is_idle
    }

    /// The peer has closed connection `generation`: our monitors fire. What is queued still goes out, as the peer may
    /// read on.
    pub fn peer_closed(&mut self, generation: Generation, reason: &str) {
        self.close(generation, reason);
    }

    fn close(&mut self, generation: Generation, reason: &str) {
        let wait = self.next_wait();
        let Some(up) = self.link.generation(generation) else {
            return;
        };
        // Monitors that were set while it closes are of the next connection.
        if up.failed.is_some() || up.is_closing() {
            return;
        }
        up.out.close(&mut self.effects);
        up.closing = Some(Waiting::new(wait));
        self.fire_all(reason);
        let reason = reason.to_owned();
        self.effects.push(Effect::Down { generation, reason });
        self.effects.push(Effect::Changed);
    }

    /// Whether no monitor, in either direction, needs connection `generation`, and it is neither failed nor closing.
    pub fn is_unused(&mut self, generation: Generation) -> bool {
        let is_unmonitored = self.monitors.is_empty();
        self.link.generation(generation).is_some_and(|up| {
            is_unmonitored && up.watched.count == 0 && up.failed.is_none() && !up.is_closing()
        })
    }

    /// The reader of connection `generation` holds so many bytes of a message that is not whole. Returns how many it may
    /// hold before it says so again.
    pub fn reads(&mut self, generation: Generation, bytes: usize) -> usize {
        match self.link.generation(generation) {
            Some(up) if up.failed.is_none() => {
                up.reading.fit(bytes);
                up.reading.bytes()
            }
            _ => bytes,
        }
    }

    /// How many bytes of the pool are taken for this peer.
    pub fn pooled(&self) -> usize {
        match &self.link {
            Link::Down => 0,
            Link::Waiting(waiting) => waiting.pooled(),
            Link::Up(up) => {
                let next = up.closing.as_ref().map_or(0, Waiting::pooled);
                up.out.share.taken() + next + up.watched.share.taken() + up.reading.taken()
            }
        }
    }

    /// How many bytes wait to be sent, on a connection or for one.
    pub fn queued(&self) -> usize {
        match &self.link {
            Link::Down => 0,
            Link::Waiting(waiting) => waiting.bytes,
            Link::Up(up) => up.out.bytes() + up.closing.as_ref().map_or(0, |next| next.bytes),
        }
    }

    /// Whether there is a connection, even one that closes or has failed.
    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// The connection on which messages are sent.
    pub fn connection(&self) -> Option<&C> {
        match &self.link {
            Link::Up(up) if !up.is_closing() => Some(&up.connection),
            _ => None,
        }
    }

    /// Connection `generation`, even if it closes or has failed.
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

    /// Where messages wait for the next connection, if they have to.
    pub(super) fn waiting(&mut self) -> Option<&mut Waiting> {
        match self {
            Self::Waiting(waiting) => Some(waiting),
            // A connection that has failed takes what waits for the next along: our monitors fire.
            Self::Up(up) => up.closing.as_mut().filter(|_| up.failed.is_none()),
            Self::Down => None,
        }
    }
}

impl<C> Up<C> {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether no more messages are taken: they are lost with the connection, whose monitors fire.
    #[inline]
    pub(super) fn is_shut(&self) -> bool {
        self.failed.is_some() || self.out.is_closed
    }

    /// What is queued is lost, and so is what waits for the next connection if this one is closing. The memory is free
    /// at once.
    pub(super) fn fail<A>(&mut self, reason: String, effects: &mut Effects<A>) {
        if self.failed.is_some() {
            return;
        }
        self.failed = Some(reason);
        self.out.clear(effects);
        self.watched.share.clear();
        self.reading.clear();
        if let Some(next) = &mut self.closing {
            next.clear();
        }
        effects.push(Effect::Fail(self.generation));
    }
}

impl<C: Connection> Up<C> {
    /// Encodes a message at the end of the queue. Past the limit the connection fails: nothing is lost in silence.
    // Once for each message: a part of `Machine::send`.
    #[inline(always)]
    pub(super) fn send<A>(
        &mut self,
        frame: &Frame<'_>,
        limit: usize,
        effects: &mut Effects<A>,
    ) -> Result<(), EncodeError> {
        if self.is_shut() {
            return Ok(());
        }
        let undo = Undo::of(&mut self.out.buffer);
        self.connection.encode(frame, undo.buffer)?;
        undo.keep();
        if self.out.bytes() > self.out.checked_from {
            self.check_room(limit, effects);
        }
        self.out.wake(effects);
        Ok(())
    }

    /// The queue is longer than it was: it takes its share of the pool, or the connection fails.
    #[cold]
    fn check_room<A>(&mut self, limit: usize, effects: &mut Effects<A>) {
        let queued = self.out.bytes();
        if queued > limit {
            let reason = format!("more than {limit} bytes wait to be sent (queue_limit)");
            self.fail(reason, effects);
        } else {
            self.out.share.grow(queued);
            self.out.checked_from = limit.min(self.out.share.bytes());
        }
    }

    /// Sends a message of the node's own, which always fits: an element that the codec lacks is replaced by its
    /// diagnostic text, and one that is too large by a note.
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
            let frame = Frame::of(port.as_str(), &fitting);
            let mut sent = self.send(&frame, limit, effects);
            if let Err(EncodeError::TooLarge { .. } | EncodeError::TooManyItems { .. }) = sent {
                // Of a request, the peer needs its word and the port's name.
                let kept = if port.is_node_port() { 2 } else { 0 };
                let (kept, rest) = fitting.split_at(kept.min(fitting.len()));
                let kept = kept.iter().cloned();
                let short: Values = kept.chain(rest.iter().map(shortened)).collect();
                sent = self.send(&Frame::of(port.as_str(), &short), limit, effects);
            }
            sent
        });
        // Nothing is left in it that the codec lacks: a codec that refuses it all the same has a fault.
        let fault = match sent {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        let reason = format!("the codec refuses what the node itself says: {fault}");
        self.fail(reason, effects);
    }
}

/// An element of a message of the node's own, or a note in its place if it is large: most often it is part of a reason.
fn shortened(value: &Value) -> Value {
    match cost_of(std::slice::from_ref(value)) > SHORT {
        true => Value::from("(left out: too large to be sent)"),
        false => value.clone(),
    }
}
