//! Sending: changes when they are due, and content from its beginning, each when the receiver is ready.
//!
//! A receiver gets one message at a time and is *busy* until the driver calls [`Machine::handle_ready`]. Keys that
//! change while a receiver is busy are marked dirty in its [`Backlog`](super::backlog::Backlog) and sent coalesced. A
//! dirty key has a flag that says whether the receiver knows the key, so that no receiver gets the deletion of an
//! unknown key. A receiver that is up to date has no dirty keys: it gets the changes as the [`Outlet`] has them.

use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use super::backlog::{Part, Source, Transfer};
use super::batch::Batch;
use super::machine::{Machine, Role};
use super::outlet::{Changed, Outlet};
use super::output::{Level, Output};
use super::request;
use super::watched::Change;
use crate::value::Values;
use crate::{NodeId, Text, Value};

/// Families in one message with our entries.
const MAX_FAMILIES: usize = 4096;

/// Keys that one call of the machine sends or marks dirty, counted once for each receiver: a few milliseconds.
const FLUSH_BUDGET: usize = 16 << 10;

/// The cost of a message to one receiver, in keys.
const MESSAGE_COST: usize = 16;

impl Machine {
    /// Sends all changes that are due, and connects to global nodes.
    pub(super) fn flush_due(&mut self, now: Duration) {
        self.step_mesh(now);
        self.flush_outlet(now, Source::Ours);
        self.flush_outlet(now, Source::Visible);
    }

    /// Sends the changes that are due at one outlet to the receivers that are up to date, and marks them dirty for the
    /// others. Changes that exceed the size of a message or the budget of a call stay in the outlet.
    fn flush_outlet(&mut self, now: Duration, source: Source) {
        let (limit, max_dirty) = (self.settings.max_update(), self.settings.max_dirty_keys());
        let mut spent = 0;
        while spent < FLUSH_BUDGET
            && let Some(family) = self.outlet(source).next(now)
        {
            let part = (source, family);
            let receivers = self.receivers(&part);
            let is_behind = |node: &&NodeId| {
                let peer = self.peers.get(*node);
                peer.is_some_and(|peer| !peer.backlog.is_up_to_date(&part))
            };
            // Each key is marked once for each receiver that is behind.
            let copies = 1 + receivers.iter().filter(is_behind).count();
            let mut keys = self
                .outlet(source)
                .take(now, &part.1, FLUSH_BUDGET.div_ceil(copies));
            spent += MESSAGE_COST * receivers.len();
            let mut batch = Batch::default();
            let mut changed = Vec::new();
            while !batch.is_full(limit)
                && let Some((key, before)) = keys.pop_first()
            {
                let value = self.current_value(&part, &key);
                if before || value.is_some() {
                    batch.add(&key, value);
                }
                let now = value.is_some();
                changed.push((key, before, now));
            }
            spent += changed.len() * copies;
            self.outlet(source).put_back(now, &part.1, keys);
            self.notify_programs(&part, &changed);
            let (mut ready, mut behind) = (Vec::new(), Vec::new());
            for node in receivers {
                let Some(peer) = self.peers.get_mut(&node) else {
                    continue;
                };
                if !peer.backlog.is_up_to_date(&part) {
                    peer.backlog.mark_dirty(&part, &changed, max_dirty);
                    behind.push(node);
                } else if !batch.is_empty() {
                    peer.backlog.busy = true;
                    ready.push(node);
                }
            }
            if !ready.is_empty() {
                let request = self.update_request(&part, batch);
                self.send_to_all(ready.iter().cloned(), request);
                ready.iter().for_each(|to| self.await_ready(to));
            }
            behind.iter().for_each(|node| self.send_next(now, node));
        }
    }

    fn outlet(&mut self, source: Source) -> &mut Outlet {
        match source {
            Source::Ours => &mut self.to_network,
            Source::Visible => &mut self.to_watchers,
        }
    }

    fn current_value(&self, (source, family): &Part, key: &Text) -> Option<&Value> {
        match source {
            Source::Ours => self.store.ours(family, key),
            Source::Visible => self.store.visible(family, key),
        }
    }

    /// The peers that get the changes of a part.
    fn receivers(&self, (source, family): &Part) -> Vec<NodeId> {
        match (source, &self.role) {
            (Source::Visible, _) => {
                let watchers = self.watchers.get(family);
                watchers.into_iter().flatten().cloned().collect()
            }
            (Source::Ours, Role::Slave(master)) => vec![master.clone()],
            (Source::Ours, Role::Global) => self.globals().cloned().collect(),
            (Source::Ours, Role::Alone | Role::Searching) => Vec::new(),
        }
    }

    /// Queues the changes of a watched family for the programs on this node.
    fn notify_programs(&mut self, (source, family): &Part, changed: &[(Text, bool, bool)]) {
        if *source == Source::Visible
            && self.is_complete()
            && let Some(watched) = self.watched.get_mut(family)
        {
            let store = &self.store;
            let entries = changed
                .iter()
                .map(|(key, ..)| (key.clone(), store.visible(family, key).cloned()));
            let change = watched.apply_changes(entries);
            self.push_change(family.clone(), change);
        }
    }

    pub(super) fn push_change(&mut self, family: Text, change: Option<Change>) {
        if let Some(change) = change {
            self.push(Output::Changed { family, change });
        }
    }

    fn update_request(&self, (source, family): &Part, batch: Batch) -> Values {
        let (set, deleted) = batch.into_parts();
        match (source, &self.role) {
            (Source::Visible, _) => request::update("g_chg2", family, set, deleted),
            (Source::Ours, Role::Slave(_)) => request::slave_update(family, set, deleted),
            (Source::Ours, _) => request::update("g_upd", family, set, deleted),
        }
    }

    /// Sends all our entries to the master or another global node, as it becomes ready.
    pub(super) fn send_database(&mut self, now: Duration, to: &NodeId) {
        self.restart(now, to, (Source::Ours, Text::default()));
    }

    /// Sends the content of a family to a watcher, as it becomes ready.
    pub(super) fn send_family(&mut self, now: Duration, to: &NodeId, family: Text) {
        self.restart(now, to, (Source::Visible, family));
    }

    fn restart(&mut self, now: Duration, to: &NodeId, part: Part) {
        if let Some(peer) = self.peers.get_mut(to) {
            peer.backlog.restart(part);
            self.send_next(now, to);
        }
    }

    /// The queue to `to` is below its high-water mark: sends the next message.
    pub fn handle_ready(&mut self, now: Duration, to: &NodeId) {
        if let Some(peer) = self.peers.get_mut(to) {
            peer.backlog.busy = false;
            self.send_next(now, to);
        }
    }

    /// Sends the next message of the backlog of `to`, if it is not busy.
    pub(super) fn send_next(&mut self, now: Duration, to: &NodeId) {
        let Some(peer) = self.peers.get_mut(to).filter(|peer| !peer.backlog.busy) else {
            return;
        };
        peer.backlog.busy = true;
        match peer.backlog.transfers.pop_front() {
            Some(Transfer::Database(None)) => self.send_database_start(to),
            Some(Transfer::Database(Some(after))) => self.send_database_rest(to, after),
            Some(Transfer::Family(family, after)) => self.send_family_rest(to, family, after),
            Some(Transfer::Request(request)) => {
                peer.deferred -= 1;
                if let Err(why) = self.dispatch(now, to, request) {
                    self.reject(to, Level::Warn, why);
                }
            }
            None => match self.next_dirty_batch(to) {
                Some((part, batch)) => {
                    let request = self.update_request(&part, batch);
                    self.send(to, request);
                }
                None => {
                    if let Some(peer) = self.peers.get_mut(to) {
                        peer.backlog.busy = false;
                    }
                    return;
                }
            },
        }
        self.await_ready(to);
    }

    /// The next batch of dirty keys for `to`, round robin over the parts.
    fn next_dirty_batch(&mut self, to: &NodeId) -> Option<(Part, Batch)> {
        let limit = self.settings.max_update();
        let mut backlog = std::mem::take(&mut self.peers.get_mut(to)?.backlog);
        let mut found = None;
        for _ in 0..backlog.dirty.len() {
            let last = backlog.last_part.take().map_or(Unbounded, Excluded);
            let mut behind = backlog.dirty.range((last, Unbounded));
            let next = behind.next().or_else(|| backlog.dirty.iter().next());
            let Some(part) = next.map(|(part, _)| part.clone()) else {
                break;
            };
            let outlet = match part.0 {
                Source::Ours => &self.to_network,
                Source::Visible => &self.to_watchers,
            };
            let mut batch = Batch::default();
            if let Some(keys) = backlog.dirty.get_mut(&part) {
                keys.retain(|key, known| {
                    if batch.is_full(limit) || outlet.is_pending(&part.1, key) {
                        return true;
                    }
                    let value = self.current_value(&part, key);
                    if *known || value.is_some() {
                        batch.add(key, value);
                    }
                    false
                });
                if keys.is_empty() {
                    backlog.dirty.remove(&part);
                }
            }
            backlog.last_part = Some(part.clone());
            if !batch.is_empty() {
                found = Some((part, batch));
                break;
            }
        }
        self.peers.get_mut(to)?.backlog = backlog;
        found
    }

    /// Sends the first message with our entries.
    fn send_database_start(&mut self, to: &NodeId) {
        let mut families = Vec::new();
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut last: Option<(Text, Text)> = None;
        let mut rest = None;
        for (family, key, value) in self.store.ours_after(&(Text::default(), Text::default())) {
            let full = bytes + batch.bytes() >= self.settings.max_batch();
            if full || families.len() >= MAX_FAMILIES {
                rest = last.clone();
                break;
            }
            if let Some((before, _)) = &last
                && before != family
            {
                let whole = std::mem::take(&mut batch);
                bytes += whole.bytes();
                families.push((before.clone(), whole.into_parts().0));
            }
            batch.add(key, Some(value));
            last = Some((family.clone(), key.clone()));
        }
        if let Some((family, _)) = last {
            families.push((family, batch.into_parts().0));
        }
        let word = match self.role {
            Role::Slave(_) => "g_slave",
            _ => "g_set",
        };
        self.send(to, request::database(word, families.into_iter().collect()));
        self.note_database_sent(to, None, rest);
    }

    /// Sends the next message with our entries after `after`, as an update of one family.
    fn send_database_rest(&mut self, to: &NodeId, after: (Text, Text)) {
        let mut batch = Batch::default();
        let mut last: Option<(&Text, &Text)> = None;
        let mut rest = None;
        for (family, key, value) in self.store.ours_after(&after) {
            if let Some((before, key)) = last
                && (before != family || batch.is_full(self.settings.max_batch()))
            {
                rest = Some((before.clone(), key.clone()));
                break;
            }
            batch.add(key, Some(value));
            last = Some((family, key));
        }
        if let Some(family) = last.map(|(family, _)| family.clone()) {
            let request = self.update_request(&(Source::Ours, family), batch);
            self.send(to, request);
        }
        self.note_database_sent(to, Some(after), rest);
    }

    /// Our entries between `after` and `rest` were sent to `to`; queues the rest.
    fn note_database_sent(
        &mut self,
        to: &NodeId,
        after: Option<(Text, Text)>,
        rest: Option<(Text, Text)>,
    ) {
        self.note_sent(to, Source::Ours, |family, key| {
            let at = (family, key);
            let behind = |end: &(Text, Text)| at > (&end.0, &end.1);
            after.as_ref().is_none_or(behind) && !rest.as_ref().is_some_and(behind)
        });
        if let (Some(rest), Some(peer)) = (rest, self.peers.get_mut(to)) {
            peer.backlog
                .transfers
                .push_back(Transfer::Database(Some(rest)));
        }
    }

    /// Sends the next message with the visible values of a family after `after`.
    fn send_family_rest(&mut self, to: &NodeId, family: Text, after: Option<Text>) {
        let mut batch = Batch::default();
        let mut last = None;
        let mut rest = None;
        for (key, value) in self.store.family_after(&family, after.as_ref()) {
            if batch.is_full(self.settings.max_batch()) {
                rest = last;
                break;
            }
            batch.add(key, Some(value));
            last = Some(key.clone());
        }
        let part = (Source::Visible, family);
        match after {
            None => self.send(to, request::content(&part.1, batch.into_parts().0)),
            Some(_) if batch.is_empty() => {}
            Some(_) => {
                let request = self.update_request(&part, batch);
                self.send(to, request);
            }
        }
        let (_, family) = part;
        self.note_sent(to, Source::Visible, |of, key| {
            *of == family
                && after.as_ref().is_none_or(|after| key > after)
                && rest.as_ref().is_none_or(|rest| key <= rest)
        });
        if let (Some(rest), Some(peer)) = (rest, self.peers.get_mut(to)) {
            peer.backlog
                .transfers
                .push_back(Transfer::Family(family, Some(rest)));
        }
    }

    /// The current values of these keys were sent to `to`. Keys that are pending in the outlet are marked dirty with
    /// that, because the outlet only knows what the other receivers were sent.
    fn note_sent(&mut self, to: &NodeId, source: Source, which: impl Fn(&Text, &Text) -> bool) {
        let outlet = match source {
            Source::Ours => &self.to_network,
            Source::Visible => &self.to_watchers,
        };
        let mut dirty = Vec::new();
        for (family, keys) in outlet.pending() {
            let part = (source, family.clone());
            let keys = keys.keys().filter(|key| which(family, key));
            let keys: Changed = keys
                .map(|key| (key.clone(), self.current_value(&part, key).is_some()))
                .collect();
            if !keys.is_empty() {
                dirty.push((part, keys));
            }
        }
        let Some(peer) = self.peers.get_mut(to) else {
            return;
        };
        for (part, keys) in dirty {
            peer.backlog.dirty.entry(part).or_default().extend(keys);
        }
    }
}
