//! The death of a port, and the notification of its watchers.

use std::iter;

use super::ports::{Observers, Slot};
use super::run::Shard;
use super::{NewPort, Watcher};
use crate::guard;
use crate::monitor::Action;
use crate::port::Context;
use crate::{Excerpt, PortId, PortName, Reason, reason};
use aemp_proto::faulty;

/// Watchers notified of deaths before the budget of the turn is checked.
const NOTIFY_BATCH: usize = 64;

impl Shard {
    /// Ends a port: drops its tasks and timers, then notifies its watchers.
    pub(super) fn end_port(&mut self, port: &PortName, reason: Reason) {
        let Some(slot) = self.ports.remove(port) else {
            return;
        };
        if !reason.is_normal() {
            tracing::debug!(target: "aemp::port", port = %Excerpt(port), reason = %Excerpt(&reason), "port died");
        }
        let Some(mut watchers) = self.stop(slot, &reason) else {
            return;
        };
        if faulty!(PanicUntold) && reason.kind() == Some("die") {
            return;
        }
        // A few watchers are notified at once, unless watchers of earlier deaths still wait.
        while self.notifications.is_empty() && (self.notified < NOTIFY_BATCH || self.ended) {
            let Some(watcher) = watchers.next() else {
                return;
            };
            self.notify(port, watcher, &reason);
        }
        self.notifications.push(port, reason, watchers);
    }

    /// Watchers notified since the last call.
    pub(super) fn notified(&mut self) -> usize {
        std::mem::take(&mut self.notified)
    }

    /// Notifies up to [`NOTIFY_BATCH`] waiting watchers. Returns false if none waits.
    pub(super) fn notify_some(&mut self) -> bool {
        if self.notifications.is_empty() {
            return false;
        }
        let _working = self.worker.enter();
        for _ in 0..NOTIFY_BATCH {
            let Some((port, watcher, reason)) = self.notifications.next() else {
                break;
            };
            self.notify(&port, watcher, &reason);
        }
        true
    }

    /// Notifies all waiting watchers.
    pub(super) fn notify_all(&mut self) {
        while self.notify_some() {}
    }

    /// Runs the port's own end, and drops it.
    fn stop(
        &self,
        mut slot: Slot,
        reason: &Reason,
    ) -> Option<impl Iterator<Item = Watcher> + Send + use<>> {
        guard::run_or_log("the end of a port panicked", || {
            let mut cx = Context::new(&self.node, &slot.name, &mut slot.owned);
            slot.port.stop(&mut cx, reason);
        });
        Self::dispose(slot, reason)
    }

    /// Drops a port and what it owns. Returns its watchers, if it has any.
    pub(super) fn dispose(
        slot: Slot,
        reason: &Reason,
    ) -> Option<impl Iterator<Item = Watcher> + Send + use<>> {
        let Slot {
            port,
            owned,
            mut observers,
            ..
        } = slot;
        if let Some(owned) = owned {
            guard::dispose(owned);
        }
        let on_end = observers
            .as_mut()
            .and_then(|observers| observers.on_end.take());
        NewPort { port, on_end }.dispose(reason);
        let watched = observers.filter(|observers| observers.watchers() > 0);
        watched.map(|observers| observers.into_watchers())
    }

    pub(super) fn watch(&mut self, port: PortName, watcher: Watcher) {
        match self.ports.get_mut(&port) {
            Some(slot) => slot.observers.get_or_insert_default().add(watcher),
            None => {
                let id = PortId::new(self.node.id.clone(), port.clone());
                let why = "cannot monitor nonexistent port";
                let reason = reason!["no_such_port", why, &id];
                match self.notifications.is_empty() {
                    true => self.notify(&port, watcher, &reason),
                    // The same watcher may still wait for the death of an earlier port of that name: keep the order.
                    false => self.notifications.push(&port, reason, iter::once(watcher)),
                }
            }
        }
    }

    pub(super) fn unwatch(&mut self, port: &PortName, remove: impl FnOnce(&mut Observers)) {
        let slot = self.ports.get_mut(port);
        if let Some(observers) = slot.and_then(|slot| slot.observers.as_mut()) {
            remove(observers);
        }
    }

    pub(super) fn notify(&mut self, port: &PortName, watcher: Watcher, reason: &Reason) {
        self.notified += 1;
        match watcher {
            // All queues may be closed: call the action here instead of queueing it.
            Watcher::Local(_, action) if self.ended => self.call(action, reason.clone()),
            Watcher::Local(_, action) => self.node.fire(port, action, reason.clone()),
            Watcher::Remote(watcher, key) => watcher.port_died(key, port, reason),
        }
    }

    /// Runs a callback. A panic in it is logged and affects nothing else.
    pub(super) fn call(&self, action: Action, reason: Reason) {
        let act = || self.node.run_action(action, reason);
        guard::run_or_log("a monitor's callback panicked", act);
    }
}
