//! `Watches`: our ports that the peer watches over a connection.

use std::sync::Arc;

use super::link::{Connection, Link, Up};
use super::reservation::Reservation;
use super::{Machine, Pool};
use crate::PortName;
use crate::map::HashMap;

/// Approximate bytes that one watch takes here and at the port.
const WATCH_COST: usize = 128;

/// Our ports that the peer watches, each with the number of its watches.
pub(super) struct Watches {
    pub(super) ports: HashMap<PortName, usize>,
    pub(super) count: usize,
    /// Bytes of the names of all watched ports, once for each watch.
    names: usize,
    pub(super) reservation: Reservation,
}

impl Watches {
    pub(super) fn new(pool: &Arc<dyn Pool>) -> Self {
        Self {
            ports: HashMap::default(),
            count: 0,
            names: 0,
            reservation: Reservation::new(pool),
        }
    }

    fn add(&mut self, port: &PortName) {
        self.count += 1;
        self.names += port.as_str().len();
        *self.ports.entry(port.clone()).or_default() += 1;
    }

    /// Removes one watch. Returns false if the peer does not watch the port.
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

    fn resize_reservation(&mut self) {
        self.reservation
            .resize(self.count * WATCH_COST + self.names);
    }
}

impl<A, C: Connection> Machine<A, C> {
    /// The peer watches a port of ours. Returns false if it has `limit` watches already.
    pub fn add_watch(&mut self, port: &PortName, limit: usize) -> bool {
        let Link::Up(up) = &mut self.link else {
            return true;
        };
        if up.watched.count >= limit && !faulty!(MonitorsUnlimited) {
            return false;
        }
        up.watched.add(port);
        up.resize_watches();
        true
    }

    /// The peer ends one of its watches on a port. Returns false if it has none.
    pub fn remove_watch(&mut self, port: &PortName) -> bool {
        match &mut self.link {
            Link::Up(up) => up.forget_watch(port),
            _ => false,
        }
    }

    /// The number of the peer's watches.
    pub fn watches(&self) -> usize {
        match &self.link {
            Link::Up(up) => up.watched.count,
            _ => 0,
        }
    }
}

impl<C> Up<C> {
    /// Removes one watch. Returns false if the peer does not watch the port.
    pub(super) fn forget_watch(&mut self, port: &PortName) -> bool {
        let is_watched = self.watched.remove(port);
        self.resize_watches();
        is_watched
    }

    fn resize_watches(&mut self) {
        // A failed connection has released its memory.
        if self.failed.is_none() {
            self.watched.resize_reservation();
        }
    }
}
