//! Messages that wait for a connection, and what becomes of them when they meet its codec.

use std::collections::VecDeque;
use std::sync::Arc;

use aemp_proto::id::is_reply;
use aemp_proto::map::HashSet;
use aemp_proto::message::cost_of;

use super::pool::{Pool, Share};
use super::{Link, Peer, State, request};
use crate::allowance::log_within;
use crate::codec::{EncodeError, Frame};
use crate::message::Values;
use crate::node::not_encoded;
use crate::{Excerpt, PortName};

/// Which wait for a connection to a peer: a connector is for one, and has no say in a later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wait(u64);

impl Wait {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

pub(super) struct Waiting {
    pub(super) number: Wait,
    pub(super) queue: VecDeque<Waited>,
    pub(super) bytes: usize,
    /// What it may hold; none as long as nothing waits.
    share: Option<Share>,
}

/// A message that waits for a connection.
pub(super) struct Waited {
    pub(super) port: PortName,
    pub(super) values: Values,
    /// Whether the node itself says it: then it fits whatever codec comes.
    pub(super) own: bool,
}

impl Peer {
    /// Lets a message wait for a connection, within the limit. If somebody has to start one, says for which wait.
    pub(super) fn let_wait(self: &Arc<Self>, state: &mut State, message: Waited) -> Option<Wait> {
        let limit = self.queue_limit;
        let wait = state.wanted();
        if let Some(waiting) = state.link.waiting()
            && !waiting.push(message, limit, &self.pool)
        {
            let text = format!("more than {limit} bytes wait for a connection");
            match &mut state.link {
                Link::Up(up) => up.fail(text),
                _ => self.give_up(state, &text),
            }
        }
        wait
    }

    /// What waited meets the codec at last. A message that cannot be encoded is lost, and said to be. If a monitor says
    /// so, what was sent to that port after it is lost as well: it was sent before the monitor fired, and must not
    /// arrive after a gap. The same goes for requests to monitor it: whom they are for has been told, and the peer would
    /// keep a monitor that nobody has.
    pub(super) fn send_waited(self: &Arc<Self>, state: &mut State, waiting: Waiting) {
        let limit = self.queue_limit;
        let mut cut = HashSet::default();
        // It is the link's share from now on.
        drop(waiting.share);
        for message in waiting.queue {
            let Link::Up(up) = &mut state.link else {
                return;
            };
            if !cut.is_empty() && message.is_about(&cut) {
                log_within!(self, DEBUG, target: "aemp::link", to = %Excerpt(self.id.port(message.port)), "not sent, since one before it is lost");
                continue;
            }
            let Waited { port, values, own } = message;
            if own {
                up.send_fitting(&port, &values, limit);
                continue;
            }
            let Err(error) = up.send(&Frame::of(port.as_str(), &values), limit) else {
                continue;
            };
            log_within!(self, WARN, target: "aemp::link", to = %Excerpt(self.id.port(port.clone())), error = %Excerpt(&error), "a message that waited is not sent");
            if self.not_sent(state, &port, &error) {
                cut.insert(port);
            }
        }
    }

    /// A message to `port` could not be encoded, and its sender has not been told: our monitors on it fire. Whether
    /// there were any.
    fn not_sent(self: &Arc<Self>, state: &mut State, port: &PortName, error: &EncodeError) -> bool {
        if port.is_node_port() {
            // Those who monitor the node itself ask for its connection, which is well.
            return false;
        }
        let Some(node) = self.node.upgrade() else {
            return false;
        };
        let reason = not_encoded(&self.id, error);
        if is_reply(port) && !matches!(state.link, Link::Down) {
            // Its call would wait for ever. Without a connection its monitor fires.
            self.request(state, request::kil1(port, &reason));
        }
        let mut watched = false;
        for action in state.monitors.fire(port) {
            watched = true;
            node.fire(port, action, reason.clone());
        }
        if watched {
            self.request(state, request::mon0(port));
        }
        watched
    }

    /// The same, from outside.
    pub(crate) fn report_not_sent(self: &Arc<Self>, port: &PortName, error: &EncodeError) {
        self.not_sent(&mut self.lock(), port, error);
    }
}

impl State {
    /// Makes a connection wanted. If somebody has to start one, says for which wait.
    pub(super) fn wanted(&mut self) -> Option<Wait> {
        if !matches!(self.link, Link::Down) {
            return None;
        }
        let wait = self.next_wait();
        self.link = Link::Waiting(Waiting::new(wait));
        Some(wait)
    }

    pub(super) fn next_wait(&mut self) -> Wait {
        self.last_wait = self.last_wait.next();
        self.last_wait
    }

    /// Whether messages wait for a connection as `wait`.
    pub(super) fn waits(&self, wait: Wait) -> bool {
        matches!(&self.link, Link::Waiting(waiting) if waiting.number == wait)
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

    /// False if that is more than may wait.
    fn push(&mut self, message: Waited, limit: usize, pool: &Arc<Pool>) -> bool {
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
    /// Whether it is a message to one of these ports, or a request to monitor or kill it.
    fn is_about(&self, ports: &HashSet<PortName>) -> bool {
        let about = request::about(&self.port, &self.values);
        ports.iter().any(|port| port.as_str() == about)
    }
}
