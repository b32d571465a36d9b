//! The death of a port, and how those who watch it are told.

use std::iter;

use super::ports::{Slot, Ties};
use super::run::Shard;
use super::{NewPort, Watcher};
use crate::guard;
use crate::monitor::Action;
use crate::{Excerpt, PortId, PortName, Reason, reason};

/// So many watchers are told of deaths before the turn is looked at.
const TOLD: usize = 64;

impl Shard {
    /// Ends a port: what it owns goes, then its watchers are told.
    pub(super) fn bury(&mut self, port: &PortName, reason: Reason) {
        let Some(slot) = self.ports.remove(port) else {
            return;
        };
        if !reason.is_normal() {
            tracing::debug!(target: "aemp::port", port = %Excerpt(port), reason = %Excerpt(&reason), "port died");
        }
        let Some(mut watchers) = Self::dispose(slot, &reason) else {
            return;
        };
        #[cfg(aemp_faults)]
        if aemp_proto::faults::is(aemp_proto::faults::Fault::PanicUntold)
            && reason.kind() == Some("die")
        {
            return;
        }
        // Those that are few at once, unless others come first.
        while self.news.is_empty() && (self.told < TOLD || self.ended) {
            let Some(watcher) = watchers.next() else {
                return;
            };
            self.tell(port, watcher, &reason);
        }
        self.news.push(port, reason, watchers);
    }

    /// How many have been told of a death since the last call.
    pub(super) fn told(&mut self) -> usize {
        std::mem::take(&mut self.told)
    }

    /// Tells some of those who wait for it. False if nobody did.
    pub(super) fn tell_more(&mut self) -> bool {
        if self.news.is_empty() {
            return false;
        }
        let _working = self.worker.enter();
        for _ in 0..TOLD {
            let Some((port, watcher, reason)) = self.news.next() else {
                break;
            };
            self.tell(&port, watcher, &reason);
        }
        true
    }

    /// Tells all who wait for it.
    pub(super) fn tell_all(&mut self) {
        while self.tell_more() {}
    }

    /// Drops a port and what it owns, and gives those who watched it, if anybody did.
    pub(super) fn dispose(
        slot: Slot,
        reason: &Reason,
    ) -> Option<impl Iterator<Item = Watcher> + Send + use<>> {
        let Slot {
            port,
            owned,
            mut ties,
            ..
        } = slot;
        if let Some(owned) = owned {
            guard::dispose(owned);
        }
        let on_end = ties.as_mut().and_then(|ties| ties.on_end.take());
        NewPort { port, on_end }.dispose(reason);
        let watched = ties.filter(|ties| ties.watchers() > 0);
        watched.map(|ties| ties.into_watchers())
    }

    pub(super) fn watch(&mut self, port: PortName, watcher: Watcher) {
        match self.ports.get_mut(&port) {
            Some(slot) => slot.ties.get_or_insert_default().add(watcher),
            None => {
                let id = PortId::new(self.node.id.clone(), port.clone());
                let why = "cannot monitor nonexistent port";
                let reason = reason!["no_such_port", why, &id];
                match self.news.is_empty() {
                    true => self.tell(&port, watcher, &reason),
                    // It may have watched a port of that name that has died before.
                    false => self.news.push(&port, reason, iter::once(watcher)),
                }
            }
        }
    }

    pub(super) fn unwatch(&mut self, port: &PortName, remove: impl FnOnce(&mut Ties)) {
        let slot = self.ports.get_mut(port);
        if let Some(ties) = slot.and_then(|slot| slot.ties.as_mut()) {
            remove(ties);
        }
    }

    pub(super) fn tell(&mut self, port: &PortName, watcher: Watcher, reason: &Reason) {
        self.told += 1;
        match watcher {
            // No shard would take it.
            Watcher::Local(_, action) if self.ended => self.call(action, reason.clone()),
            Watcher::Local(_, action) => self.node.fire(port, action, reason.clone()),
            Watcher::Remote(watcher, key) => watcher.port_died(key, port, reason),
        }
    }

    /// Runs a callback. One that panics hurts nobody else.
    pub(super) fn call(&self, action: Action, reason: Reason) {
        let act = || self.node.act(action, reason);
        guard::log("a monitor's callback panicked", act);
    }
}
