//! `Pending`: messages that wait for a connection, and how they are encoded when it is up.

use std::collections::VecDeque;
use std::sync::Arc;

use super::effect::Effect;
use super::link::Link;
use super::reservation::{Pool, Reservation};
use super::{Connection, Machine};
use crate::PortName;
use crate::codec::Frame;
use crate::id::is_reply;
use crate::map::HashSet;
use crate::message::cost_of;
use crate::node_protocol::{self as request, TraceContext};
use crate::reason::not_encoded;
use crate::value::EncodeError;
use crate::value::Values;

/// The number of a wait for a connection to a peer. A connector reports the wait that it was started for, so that its
/// failure does not end a later wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wait(u64);

impl Wait {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The messages that wait for one connection.
pub(super) struct Pending {
    pub(super) number: Wait,
    pub(super) queue: VecDeque<PendingMessage>,
    pub(super) bytes: usize,
    /// `None` while there are no messages.
    reservation: Option<Reservation>,
}

/// A message without a connection.
pub(super) struct PendingMessage {
    pub(super) port: PortName,
    pub(super) values: Values,
    /// Whether the node itself has made the message. It is then adapted to the codec of the connection.
    pub(super) own: bool,
    /// The trace that the message belongs to.
    pub(super) context: Option<Box<TraceContext>>,
}

/// Dropped messages that are reported one by one when a connection is up: each report takes memory, and the pending messages
/// can be a million small ones.
const MAX_REPORTS: usize = 64;

impl<A, C: Connection> Machine<A, C> {
    /// Adds a message to the pending ones. Above the limit all of them are dropped and monitors fire.
    pub(super) fn enqueue_pending(&mut self, message: PendingMessage) {
        self.want_connection();
        let limit = self.queue_limit;
        if let Some(pending) = self.link.pending()
            && !pending.push(message, limit, &self.pool)
        {
            let reason = format!("more than {limit} bytes wait for a connection");
            match &mut self.link {
                Link::Up(up) => up.fail(reason, &mut self.effects),
                _ => self.drop_pending(&reason),
            }
        }
    }

    /// Requests a connection, if there is none.
    pub fn want_connection(&mut self) {
        if matches!(self.link, Link::Down) {
            let wait = self.next_wait();
            self.link = Link::Connecting(Pending::new(wait));
            self.effects.push(Effect::Connect(wait));
        }
    }

    pub(super) fn next_wait(&mut self) -> Wait {
        self.last_wait = self.last_wait.next();
        self.last_wait
    }

    /// Whether `wait` is not over.
    pub fn is_waiting(&self, wait: Wait) -> bool {
        matches!(&self.link, Link::Connecting(pending) if pending.number == wait)
    }

    /// Encodes the pending messages for the connection that is up now. A message that cannot be encoded is dropped and
    /// reported. If monitors on its port fire for that, later pending messages to the port are dropped too: they were
    /// sent before the monitors fired, and must not arrive after a gap. Requests to monitor the port are dropped as
    /// well: their monitors have fired, and the peer would keep a watch for nothing.
    pub(super) fn send_pending(&mut self, pending: Pending) {
        let limit = self.queue_limit;
        let mut cut = HashSet::default();
        let mut dropped = 0;
        // The queue of the connection reserves the memory from now on.
        drop(pending.reservation);
        for message in pending.queue {
            let Link::Up(up) = &mut self.link else {
                break;
            };
            if !cut.is_empty() && message.is_about(&cut) {
                dropped += 1;
                if dropped <= MAX_REPORTS {
                    self.effects.push(Effect::NotSent(message.port, None));
                }
                continue;
            }
            let PendingMessage {
                port,
                values,
                own,
                context,
            } = message;
            if own {
                up.send_fitting(&port, &values, limit, &mut self.effects);
                continue;
            }
            let frame = Frame::new(port.as_str(), &values);
            let sent = match &context {
                None => up.send(&frame, limit, &mut self.effects),
                Some(context) => up.send_traced(context, &frame, limit, &mut self.effects),
            };
            let Err(error) = sent else {
                continue;
            };
            let watched = self.not_sent(&port, &error);
            dropped += 1;
            if dropped <= MAX_REPORTS {
                let not_sent = Effect::NotSent(port.clone(), Some(Box::new(error)));
                self.effects.push(not_sent);
            }
            if watched {
                cut.insert(port);
            }
        }
        if dropped > MAX_REPORTS {
            self.effects
                .push(Effect::MoreNotSent(dropped - MAX_REPORTS));
        }
    }

    /// A message to `port` could not be encoded after its send had returned. Monitors on the port fire. Returns whether
    /// there were any.
    pub fn not_sent(&mut self, port: &PortName, error: &EncodeError) -> bool {
        if port.is_node_port() {
            // A monitor on the node port is about the connection, which is intact.
            return false;
        }
        let reason = not_encoded(&self.peer, error);
        if is_reply(port) && !matches!(self.link, Link::Down) {
            // Kill the reply port, or the caller would wait for ever. Without a connection the caller's monitor fires.
            self.request(request::kil1(port, &reason));
        }
        let monitors: Vec<_> = self.monitors.fire(port).collect();
        if monitors.is_empty() {
            return false;
        }
        let monitors = monitors.into_iter().map(|action| (port.clone(), action));
        self.effects.push(Effect::Fire(monitors.collect(), reason));
        self.request(request::mon0(port));
        true
    }
}

impl Pending {
    pub(super) fn new(number: Wait) -> Self {
        Self {
            number,
            queue: VecDeque::new(),
            bytes: 0,
            reservation: None,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.number);
    }

    /// Adds a message. Returns false if the limit is exceeded.
    fn push(&mut self, message: PendingMessage, limit: usize, pool: &Arc<dyn Pool>) -> bool {
        let context = message
            .context
            .as_ref()
            .map_or(0, |context| context.memory());
        self.bytes += message.port.as_str().len() + cost_of(&message.values) + context;
        self.queue.push_back(message);
        let reservation = self
            .reservation
            .get_or_insert_with(|| Reservation::new(pool));
        if self.bytes > reservation.capacity() {
            reservation.grow(self.bytes);
        }
        self.bytes <= limit
    }

    /// Bytes reserved in the pool.
    pub(super) fn pooled(&self) -> usize {
        self.reservation.as_ref().map_or(0, Reservation::reserved)
    }
}

impl PendingMessage {
    /// Whether this is a message to one of these ports, or a request to monitor or kill one of them.
    fn is_about(&self, ports: &HashSet<PortName>) -> bool {
        let target = request::target_port(&self.port, &self.values);
        ports.iter().any(|port| port.as_str() == target)
    }
}
