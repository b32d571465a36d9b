//! Messages that wait for a connection, and what becomes of them when they meet its codec.

use std::collections::VecDeque;
use std::sync::Arc;

use super::effect::Effect;
use super::link::Link;
use super::share::{Pool, Share};
use super::{Connection, Machine};
use crate::PortName;
use crate::codec::Frame;
use crate::id::is_reply;
use crate::map::HashSet;
use crate::message::cost_of;
use crate::node_protocol as request;
use crate::reason::not_encoded;
use crate::value::EncodeError;
use crate::value::Values;

/// Which wait for a connection to a peer: a connector is for one, and has no say in a later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wait(u64);

impl Wait {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What waits for one connection.
pub(super) struct Waiting {
    pub(super) number: Wait,
    pub(super) queue: VecDeque<Waited>,
    pub(super) bytes: usize,
    /// The memory it may hold; none as long as nothing waits.
    share: Option<Share>,
}

/// A message that waits for a connection.
pub(super) struct Waited {
    pub(super) port: PortName,
    pub(super) values: Values,
    /// Whether the node itself says it: then it fits whatever codec comes.
    pub(super) own: bool,
}

impl<A, C: Connection> Machine<A, C> {
    /// Lets a message wait for a connection, within the limit.
    pub(super) fn let_wait(&mut self, message: Waited) {
        self.want();
        let limit = self.queue_limit;
        if let Some(waiting) = self.link.waiting()
            && !waiting.push(message, limit, &self.pool)
        {
            let reason = format!("more than {limit} bytes wait for a connection");
            match &mut self.link {
                Link::Up(up) => up.fail(reason, &mut self.effects),
                _ => self.give_up(&reason),
            }
        }
    }

    /// Makes a connection wanted.
    pub fn want(&mut self) {
        if matches!(self.link, Link::Down) {
            let wait = self.next_wait();
            self.link = Link::Waiting(Waiting::new(wait));
            self.effects.push(Effect::Connect(wait));
        }
    }

    pub(super) fn next_wait(&mut self) -> Wait {
        self.last_wait = self.last_wait.next();
        self.last_wait
    }

    /// Whether a connection is waited for as `wait`.
    pub fn waits(&self, wait: Wait) -> bool {
        matches!(&self.link, Link::Waiting(waiting) if waiting.number == wait)
    }

    /// Encodes what waited for the connection that has come up. A message that cannot be encoded is lost, and said to
    /// be. If a monitor says so, later messages to the same port are lost as well: they were sent before the monitor
    /// fired, and must not arrive after a gap. So are requests to monitor that port: who set the monitor has been told,
    /// and the peer would keep a monitor that nobody has.
    pub(super) fn send_waited(&mut self, waiting: Waiting) {
        let limit = self.queue_limit;
        let mut cut = HashSet::default();
        // From now on the bytes are counted by the connection's queue.
        drop(waiting.share);
        for message in waiting.queue {
            let Link::Up(up) = &mut self.link else {
                return;
            };
            if !cut.is_empty() && message.is_about(&cut) {
                self.effects.push(Effect::NotSent(message.port, None));
                continue;
            }
            let Waited { port, values, own } = message;
            if own {
                up.send_fitting(&port, &values, limit, &mut self.effects);
                continue;
            }
            let frame = Frame::of(port.as_str(), &values);
            let Err(error) = up.send(&frame, limit, &mut self.effects) else {
                continue;
            };
            let watched = self.not_sent(&port, &error);
            let not_sent = Effect::NotSent(port.clone(), Some(Box::new(error)));
            self.effects.push(not_sent);
            if watched {
                cut.insert(port);
            }
        }
    }

    /// A message to `port` could not be encoded, and its sender has not been told: our monitors on the port fire.
    /// Returns whether there were any.
    pub fn not_sent(&mut self, port: &PortName, error: &EncodeError) -> bool {
        if port.is_node_port() {
            // Monitors of the node itself are about its connection, which is well.
            return false;
        }
        let reason = not_encoded(&self.peer, error);
        if is_reply(port) && !matches!(self.link, Link::Down) {
            // Its call would wait for ever. Without a connection its monitor fires.
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

impl Waiting {
    pub(super) fn new(number: Wait) -> Self {
        Self {
            number,
            queue: VecDeque::new(),
            bytes: 0,
            share: None,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.number);
    }

    /// Returns false if more waits than may.
    fn push(&mut self, message: Waited, limit: usize, pool: &Arc<dyn Pool>) -> bool {
        self.bytes += message.port.as_str().len() + cost_of(&message.values);
        self.queue.push_back(message);
        let share = self.share.get_or_insert_with(|| Share::of(pool));
        if self.bytes > share.bytes() {
            share.grow(self.bytes);
        }
        self.bytes <= limit
    }

    /// How much of the pool it has taken.
    pub(super) fn pooled(&self) -> usize {
        self.share.as_ref().map_or(0, Share::taken)
    }
}

impl Waited {
    /// Whether it is a message to one of these ports, or a request to monitor or kill one.
    fn is_about(&self, ports: &HashSet<PortName>) -> bool {
        let about = request::about(&self.port, &self.values);
        ports.iter().any(|port| port.as_str() == about)
    }
}
