//! What goes out: changes, as their time comes, and what is told from its beginning on, each when its receiver has room.
//!
//! A receiver is sent one message at a time, and is *busy* until the driver says that it has room for more
//! ([`Machine::handle_ready`]). What changes meanwhile is only marked, and goes out merged. A mark says whether the receiver
//! has been told of the key, so that it never hears of the end of something of which it has not heard. Receivers that are
//! not behind have no marks: to them what is due goes out as the [`Outlet`] has it.

use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use super::machine::{Machine, Role};
use super::outlet::{Changed, Outlet};
use super::output::{Level, Output};
use super::pieces::Piece;
use super::request;
use super::sending::{Part, Rest, Source};
use super::watched::Change;
use crate::value::Values;
use crate::{NodeId, Text, Value};

/// Families that go into one message with what we hold.
const MOST_FAMILIES: usize = 4096;

/// Keys that are told or marked in one call of the machine, those for several receivers counted for each: a few
/// milliseconds.
const MOST_MARKS: usize = 16 << 10;

/// As so many keys a message to a receiver counts.
const MESSAGE: usize = 16;

impl Machine {
    /// Sends what is due.
    pub(super) fn pump(&mut self, now: Duration) {
        self.mesh_step(now);
        self.flush(now, Source::Ours);
        self.flush(now, Source::Seen);
    }

    /// Tells what is due at one of the outlets, or marks it for receivers that are behind. What does not fit into a message
    /// waits there for the next, and what one call should not do for another.
    fn flush(&mut self, now: Duration, source: Source) {
        let (full, most) = (self.settings.full_change(), self.settings.most_marks());
        let mut spent = 0;
        while spent < MOST_MARKS
            && let Some(family) = self.outlet(source).next(now)
        {
            let part = (source, family);
            let receivers = self.receivers(&part);
            let is_behind = |node: &&NodeId| {
                let peer = self.peers.get(*node);
                peer.is_some_and(|peer| !peer.sending.is_level(&part))
            };
            // Each of these keys is marked for each of those.
            let marks = 1 + receivers.iter().filter(is_behind).count();
            let mut keys = self
                .outlet(source)
                .take(now, &part.1, MOST_MARKS.div_ceil(marks));
            spent += MESSAGE * receivers.len();
            let mut piece = Piece::default();
            let mut changed = Vec::new();
            while !piece.is_full(full)
                && let Some((key, before)) = keys.pop_first()
            {
                let value = self.value(&part, &key);
                if before || value.is_some() {
                    piece.add(&key, value);
                }
                let now = value.is_some();
                changed.push((key, before, now));
            }
            spent += changed.len() * marks;
            self.outlet(source).put_back(now, &part.1, keys);
            self.tell_programs(&part, &changed);
            let (mut level, mut behind) = (Vec::new(), Vec::new());
            for node in receivers {
                let Some(peer) = self.peers.get_mut(&node) else {
                    continue;
                };
                if !peer.sending.is_level(&part) {
                    peer.sending.mark(&part, &changed, most);
                    behind.push(node);
                } else if !piece.is_empty() {
                    peer.sending.busy = true;
                    level.push(node);
                }
            }
            if !level.is_empty() {
                let request = self.update(&part, piece);
                self.send_to_all(level.iter().cloned(), request);
                level.iter().for_each(|to| self.pace(to));
            }
            behind.iter().for_each(|node| self.send_next(now, node));
        }
    }

    fn outlet(&mut self, source: Source) -> &mut Outlet {
        match source {
            Source::Ours => &mut self.to_network,
            Source::Seen => &mut self.to_watchers,
        }
    }

    fn value(&self, (source, family): &Part, key: &Text) -> Option<&Value> {
        match source {
            Source::Ours => self.store.ours(family, key),
            Source::Seen => self.store.seen(family, key),
        }
    }

    /// The peers that are told of this.
    fn receivers(&self, (source, family): &Part) -> Vec<NodeId> {
        match (source, &self.role) {
            (Source::Seen, _) => {
                let watchers = self.watchers.get(family);
                watchers.into_iter().flatten().cloned().collect()
            }
            (Source::Ours, Role::Slave(master)) => vec![master.clone()],
            (Source::Ours, Role::Global) => self.globals().cloned().collect(),
            (Source::Ours, Role::Alone | Role::Searching) => Vec::new(),
        }
    }

    /// Tells the programs here of what they watch.
    fn tell_programs(&mut self, (source, family): &Part, changed: &[(Text, bool, bool)]) {
        if *source == Source::Seen
            && self.knows_all()
            && let Some(watched) = self.watched.get_mut(family)
        {
            let store = &self.store;
            let entries = changed
                .iter()
                .map(|(key, ..)| (key.clone(), store.seen(family, key).cloned()));
            let change = watched.changed(entries);
            self.push_change(family.clone(), change);
        }
    }

    pub(super) fn push_change(&mut self, family: Text, change: Option<Change>) {
        if let Some(change) = change {
            self.push(Output::Changed { family, change });
        }
    }

    fn update(&self, (source, family): &Part, piece: Piece) -> Values {
        let (set, deleted) = piece.into_parts();
        match (source, &self.role) {
            (Source::Seen, _) => request::update("g_chg2", family, set, deleted),
            (Source::Ours, Role::Slave(_)) => request::slave_update(family, set, deleted),
            (Source::Ours, _) => request::update("g_upd", family, set, deleted),
        }
    }

    /// Tells a master or another global node all that we hold for the network, when it has room.
    pub(super) fn send_database(&mut self, now: Duration, to: &NodeId) {
        self.begin(now, to, (Source::Ours, Text::default()));
    }

    /// Tells a watcher all that is in a family, when it has room.
    pub(super) fn send_family(&mut self, now: Duration, to: &NodeId, family: Text) {
        self.begin(now, to, (Source::Seen, family));
    }

    fn begin(&mut self, now: Duration, to: &NodeId, part: Part) {
        if let Some(peer) = self.peers.get_mut(to) {
            peer.sending.begin(part);
            self.send_next(now, to);
        }
    }

    /// Little waits for `to` now: the next message can go out.
    pub fn handle_ready(&mut self, now: Duration, to: &NodeId) {
        if let Some(peer) = self.peers.get_mut(to) {
            peer.sending.busy = false;
            self.send_next(now, to);
        }
    }

    /// Sends `to` the next message of what it is still to be told, if it has room.
    pub(super) fn send_next(&mut self, now: Duration, to: &NodeId) {
        let Some(peer) = self.peers.get_mut(to).filter(|peer| !peer.sending.busy) else {
            return;
        };
        peer.sending.busy = true;
        match peer.sending.rest.pop_front() {
            Some(Rest::Database(None)) => self.send_first(to),
            Some(Rest::Database(Some(after))) => self.send_more(to, after),
            Some(Rest::Family(family, after)) => self.send_seen(to, family, after),
            Some(Rest::Answer(request)) => {
                peer.held -= 1;
                if let Err(why) = self.take_request(now, to, request) {
                    self.reject(to, Level::Warn, why);
                }
            }
            None => match self.marked(to) {
                Some((part, piece)) => {
                    let request = self.update(&part, piece);
                    self.send(to, request);
                }
                None => {
                    if let Some(peer) = self.peers.get_mut(to) {
                        peer.sending.busy = false;
                    }
                    return;
                }
            },
        }
        self.pace(to);
    }

    /// A message of what is marked for `to`; of several families one after the other.
    fn marked(&mut self, to: &NodeId) -> Option<(Part, Piece)> {
        let full = self.settings.full_change();
        let mut sending = std::mem::take(&mut self.peers.get_mut(to)?.sending);
        let mut found = None;
        for _ in 0..sending.marks.len() {
            let last = sending.last.take().map_or(Unbounded, Excluded);
            let mut behind = sending.marks.range((last, Unbounded));
            let next = behind.next().or_else(|| sending.marks.iter().next());
            let Some(part) = next.map(|(part, _)| part.clone()) else {
                break;
            };
            let outlet = match part.0 {
                Source::Ours => &self.to_network,
                Source::Seen => &self.to_watchers,
            };
            let mut piece = Piece::default();
            if let Some(keys) = sending.marks.get_mut(&part) {
                keys.retain(|key, told| {
                    if piece.is_full(full) || outlet.is_pending(&part.1, key) {
                        return true;
                    }
                    let value = self.value(&part, key);
                    if *told || value.is_some() {
                        piece.add(key, value);
                    }
                    false
                });
                if keys.is_empty() {
                    sending.marks.remove(&part);
                }
            }
            sending.last = Some(part.clone());
            if !piece.is_empty() {
                found = Some((part, piece));
                break;
            }
        }
        self.peers.get_mut(to)?.sending = sending;
        found
    }

    /// Sends the first message of what we hold for the network.
    fn send_first(&mut self, to: &NodeId) {
        let mut families = Vec::new();
        let mut piece = Piece::default();
        let mut bytes = 0;
        let mut last: Option<(Text, Text)> = None;
        let mut rest = None;
        for (family, key, value) in self.store.ours_after(&(Text::default(), Text::default())) {
            let full = bytes + piece.bytes() >= self.settings.full();
            if full || families.len() >= MOST_FAMILIES {
                rest = last.clone();
                break;
            }
            if let Some((before, _)) = &last
                && before != family
            {
                let whole = std::mem::take(&mut piece);
                bytes += whole.bytes();
                families.push((before.clone(), whole.into_parts().0));
            }
            piece.add(key, Some(value));
            last = Some((family.clone(), key.clone()));
        }
        if let Some((family, _)) = last {
            families.push((family, piece.into_parts().0));
        }
        let word = match self.role {
            Role::Slave(_) => "g_slave",
            _ => "g_set",
        };
        self.send(to, request::database(word, families.into_iter().collect()));
        self.told_database(to, None, rest);
    }

    /// Sends the next message of what we hold behind `after`, as an update of one family.
    fn send_more(&mut self, to: &NodeId, after: (Text, Text)) {
        let mut piece = Piece::default();
        let mut last: Option<(&Text, &Text)> = None;
        let mut rest = None;
        for (family, key, value) in self.store.ours_after(&after) {
            if let Some((before, key)) = last
                && (before != family || piece.is_full(self.settings.full()))
            {
                rest = Some((before.clone(), key.clone()));
                break;
            }
            piece.add(key, Some(value));
            last = Some((family, key));
        }
        if let Some(family) = last.map(|(family, _)| family.clone()) {
            let request = self.update(&(Source::Ours, family), piece);
            self.send(to, request);
        }
        self.told_database(to, Some(after), rest);
    }

    /// `to` was told what we hold behind `after` up to where the rest begins, or all.
    fn told_database(
        &mut self,
        to: &NodeId,
        after: Option<(Text, Text)>,
        rest: Option<(Text, Text)>,
    ) {
        self.told(to, Source::Ours, |family, key| {
            let at = (family, key);
            let behind = |end: &(Text, Text)| at > (&end.0, &end.1);
            after.as_ref().is_none_or(behind) && !rest.as_ref().is_some_and(behind)
        });
        if let (Some(rest), Some(peer)) = (rest, self.peers.get_mut(to)) {
            peer.sending.rest.push_back(Rest::Database(Some(rest)));
        }
    }

    /// Sends the next message of what is seen in a family.
    fn send_seen(&mut self, to: &NodeId, family: Text, after: Option<Text>) {
        let mut piece = Piece::default();
        let mut last = None;
        let mut rest = None;
        for (key, value) in self.store.family_after(&family, after.as_ref()) {
            if piece.is_full(self.settings.full()) {
                rest = last;
                break;
            }
            piece.add(key, Some(value));
            last = Some(key.clone());
        }
        let part = (Source::Seen, family);
        match after {
            None => self.send(to, request::content(&part.1, piece.into_parts().0)),
            Some(_) if piece.is_empty() => {}
            Some(_) => {
                let request = self.update(&part, piece);
                self.send(to, request);
            }
        }
        let (_, family) = part;
        self.told(to, Source::Seen, |of, key| {
            *of == family
                && after.as_ref().is_none_or(|after| key > after)
                && rest.as_ref().is_none_or(|rest| key <= rest)
        });
        if let (Some(rest), Some(peer)) = (rest, self.peers.get_mut(to)) {
            peer.sending
                .rest
                .push_back(Rest::Family(family, Some(rest)));
        }
    }

    /// `to` was told of these keys as they are now. Of those that are pending in the outlet, which knows what others have
    /// been told, that is marked.
    fn told(&mut self, to: &NodeId, source: Source, which: impl Fn(&Text, &Text) -> bool) {
        let outlet = match source {
            Source::Ours => &self.to_network,
            Source::Seen => &self.to_watchers,
        };
        let mut told = Vec::new();
        for (family, keys) in outlet.pending() {
            let part = (source, family.clone());
            let keys = keys.keys().filter(|key| which(family, key));
            let keys: Changed = keys
                .map(|key| (key.clone(), self.value(&part, key).is_some()))
                .collect();
            if !keys.is_empty() {
                told.push((part, keys));
            }
        }
        let Some(peer) = self.peers.get_mut(to) else {
            return;
        };
        for (part, keys) in told {
            peer.sending.marks.entry(part).or_default().extend(keys);
        }
    }
}
