//! The ports of ours that a peer watches over a connection.

use std::sync::Arc;

use super::link::{Connection, Link, Up};
use super::share::Share;
use super::{Machine, Pool};
use crate::PortName;
use crate::map::HashMap;

/// Bytes that one of the peer's watches takes here and at the port, about.
const WATCH: usize = 128;

/// The ports of ours that a peer watches, with how often it asked for each.
pub(super) struct Watched {
    pub(super) ports: HashMap<PortName, usize>,
    pub(super) count: usize,
    /// Bytes of the ports' names.
    names: usize,
    pub(super) share: Share,
}

impl Watched {
    pub(super) fn new(pool: &Arc<dyn Pool>) -> Self {
        Self {
            ports: HashMap::default(),
            count: 0,
            names: 0,
            share: Share::of(pool),
        }
    }

    fn add(&mut self, port: &PortName) {
        self.count += 1;
        self.names += port.as_str().len();
        *self.ports.entry(port.clone()).or_default() += 1;
    }

    /// Returns false if the peer does not watch the port.
    fn remove(&mut self, port: &PortName) -> bool {
        let Some(times) = self.ports.get_mut(port) else {
            return false;
        };
        *times -= 1;
        if *times == 0 {
            self.ports.remove(port);
        }
        self.count -= 1;
        self.names -= port.as_str().len();
        true
    }

    fn settle_share(&mut self) {
        self.share.fit(self.count * WATCH + self.names);
    }
}

impl<A, C: Connection> Machine<A, C> {
    /// The peer asks to be told of the death of a port of ours. Returns false if it watches `limit` ports already.
    pub fn add_watch(&mut self, port: &PortName, limit: usize) -> bool {
        let Link::Up(up) = &mut self.link else {
            return true;
        };
        if up.watched.count >= limit {
            return false;
        }
        up.watched.add(port);
        up.settle_watched();
        true
    }

    /// The peer takes one of its watches back. Returns false if it does not watch the port.
    pub fn remove_watch(&mut self, port: &PortName) -> bool {
        match &mut self.link {
            Link::Up(up) => up.forget_watch(port),
            _ => false,
        }
    }

    /// How many watches the peer holds.
    pub fn watches(&self) -> usize {
        match &self.link {
            Link::Up(up) => up.watched.count,
            _ => 0,
        }
    }
}

impl<C> Up<C> {
    /// Returns false if the peer does not watch the port.
    pub(super) fn forget_watch(&mut self, port: &PortName) -> bool {
        let is_watched = self.watched.remove(port);
        self.settle_watched();
        is_watched
    }

    fn settle_watched(&mut self) {
        // A connection that has failed has given its memory back.
        if self.failed.is_none() {
            self.watched.settle_share();
        }
    }
}
