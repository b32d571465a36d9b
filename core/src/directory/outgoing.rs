//! What goes out: changes, as their time comes, and what is too large for one message, piece by piece.

use std::collections::VecDeque;
use std::time::Duration;

use super::machine::{Machine, Output};
use super::outlet::Outlet;
use super::pieces::Piece;
use super::request;
use super::watched::Change;
use crate::{NodeId, Text};

/// Families that go into one message with what we hold.
const MOST_FAMILIES: usize = 4096;

/// Who is told of a change.
#[derive(Debug, Clone, Copy)]
enum Audience {
    Master,
    Globals,
    Watchers,
}

/// What goes to one peer in pieces, each when it has room for it.
#[derive(Default)]
pub(super) struct Sending {
    rest: VecDeque<Rest>,
    /// We have asked to be told when there is room.
    asked: bool,
}

/// What is left of something large.
#[derive(Debug, Clone, PartialEq)]
enum Rest {
    /// What we hold for the network, behind this family and key.
    Database(Text, Text),
    /// A watched family, behind this key.
    Family(Text, Text),
}

impl Rest {
    fn is_of(&self, family: Option<&Text>) -> bool {
        match self {
            Self::Database(..) => family.is_none(),
            Self::Family(own, _) => Some(own) == family,
        }
    }
}

impl Sending {
    /// The family is watched no more.
    pub(super) fn forget(&mut self, family: &Text) {
        self.rest.retain(|rest| !rest.is_of(Some(family)));
    }
}

impl Machine {
    /// Sends what is due.
    pub(super) fn pump(&mut self, now: Duration) {
        self.mesh_step(now);
        while let Some((family, piece)) = self.due(now, Audience::Globals) {
            let to: Vec<NodeId> = self.globals().cloned().collect();
            if !to.is_empty() {
                let (set, deleted) = piece.into_parts();
                let request = request::update("g_upd", &family, set, deleted);
                self.push(Output::Send { to, request });
            }
        }
        while let Some((family, piece)) = self.due(now, Audience::Master) {
            let (set, deleted) = piece.into_parts();
            self.ask_master(request::slave_update(&family, set, deleted));
        }
        while let Some((family, piece)) = self.due(now, Audience::Watchers) {
            if self.knows_all()
                && let Some(watched) = self.watched.get_mut(&family)
            {
                let change = watched.changed(piece.entries());
                self.push_change(family.clone(), change);
            }
            if let Some(watchers) = self.watchers.get(&family) {
                let to = watchers.iter().cloned().collect();
                let (set, deleted) = piece.into_parts();
                let request = request::update("g_chg2", &family, set, deleted);
                self.push(Output::Send { to, request });
            }
        }
    }

    /// A message of what is due at one of the outlets. What does not fit waits there for the next.
    fn due(&mut self, now: Duration, audience: Audience) -> Option<(Text, Piece)> {
        let (family, mut keys) = self.outlet(audience).take(now)?;
        let mut piece = Piece::default();
        while !piece.is_full(self.settings.full())
            && let Some(key) = keys.pop_first()
        {
            let value = match audience {
                Audience::Watchers => self.store.seen(&family, &key),
                Audience::Globals | Audience::Master => self.store.ours(&family, &key),
            };
            piece.add(&key, value);
        }
        self.outlet(audience).put_back(now, &family, keys);
        Some((family, piece))
    }

    fn outlet(&mut self, audience: Audience) -> &mut Outlet {
        match audience {
            Audience::Master => &mut self.to_master,
            Audience::Globals => &mut self.to_globals,
            Audience::Watchers => &mut self.to_watchers,
        }
    }

    pub(super) fn push_change(&mut self, family: Text, change: Option<Change>) {
        if let Some(change) = change {
            self.push(Output::Changed { family, change });
        }
    }

    /// Sends `word` with what we hold for the network, and the rest of it when the peer has room.
    pub(super) fn send_database(&mut self, to: &NodeId, word: &'static str) {
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
        let families = families.into_iter().collect();
        self.send(to, request::database(word, families));
        self.later(
            to,
            None,
            rest.map(|(family, key)| Rest::Database(family, key)),
        );
    }

    /// Sends all that is in a family, and the rest of it when the peer has room.
    pub(super) fn send_family(&mut self, to: &NodeId, family: &Text) {
        let (piece, rest) = self.piece_of(family, None);
        self.send(to, request::content(family, piece.into_parts().0));
        self.later(to, Some(family), rest);
    }

    /// What is seen in a family behind `after`, as much as fits into a message, and what is left then.
    fn piece_of(&self, family: &Text, after: Option<&Text>) -> (Piece, Option<Rest>) {
        let mut piece = Piece::default();
        let mut last = after;
        for (key, value) in self.store.family_after(family, after) {
            if piece.is_full(self.settings.full()) {
                let rest = last.map(|key| Rest::Family(family.clone(), key.clone()));
                return (piece, rest);
            }
            piece.add(key, Some(value));
            last = Some(key);
        }
        (piece, None)
    }

    /// Little waits for `to` now: the next piece can go out.
    pub(crate) fn handle_ready(&mut self, now: Duration, to: &NodeId) {
        if let Some(peer) = self.peers.get_mut(to) {
            peer.sending.asked = false;
            match peer.sending.rest.pop_front() {
                None => {}
                Some(Rest::Database(family, key)) => self.send_more(to, &(family, key)),
                Some(Rest::Family(family, after)) => {
                    let (piece, rest) = self.piece_of(&family, Some(&after));
                    let (set, deleted) = piece.into_parts();
                    self.send(to, request::update("g_chg2", &family, set, deleted));
                    self.later(to, Some(&family), rest);
                }
            }
        }
        self.pump(now);
    }

    /// Sends the next piece of what we hold behind `after`, as an update.
    fn send_more(&mut self, to: &NodeId, after: &(Text, Text)) {
        let mut piece = Piece::default();
        let mut last: Option<(&Text, &Text)> = None;
        let mut rest = None;
        for (family, key, value) in self.store.ours_after(after) {
            if let Some((before, key)) = last
                && (before != family || piece.is_full(self.settings.full()))
            {
                rest = Some(Rest::Database(before.clone(), key.clone()));
                break;
            }
            piece.add(key, Some(value));
            last = Some((family, key));
        }
        let Some(family) = last.map(|(family, _)| family.clone()) else {
            return;
        };
        let (set, deleted) = piece.into_parts();
        self.send(to, request::update("g_upd", &family, set, deleted));
        self.later(to, None, rest);
    }

    /// `rest` goes out when `to` has room, in the place of what was left of the same: of `family`, or of what we hold.
    fn later(&mut self, to: &NodeId, family: Option<&Text>, rest: Option<Rest>) {
        let Some(peer) = self.peers.get_mut(to) else {
            return;
        };
        let sending = &mut peer.sending;
        sending.rest.retain(|rest| !rest.is_of(family));
        sending.rest.extend(rest);
        if !sending.rest.is_empty() && !std::mem::replace(&mut sending.asked, true) {
            self.push(Output::Pace { to: to.clone() });
        }
    }
}
