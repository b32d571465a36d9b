//! `Backlog`: what is still to be sent to one peer.

use std::collections::{BTreeMap, VecDeque};

use super::outlet::Changed;
use super::request::Request;
use crate::Text;

/// Which entries a receiver gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Our entries, for the master or the other global nodes.
    Ours,
    /// The visible values of a family, for its watchers.
    Visible,
}

/// One family of one source.
pub(super) type Part = (Source, Text);

/// What is still to be sent to one peer.
#[derive(Default)]
pub(super) struct Backlog {
    /// Content that is sent from its beginning, in order.
    pub(super) transfers: VecDeque<Transfer>,
    /// Keys that have changed since the peer was sent their values, each with whether the peer has a value. A key that is
    /// also pending in the outlet is sent when the outlet is flushed.
    pub(super) dirty: BTreeMap<Part, Changed>,
    /// The part of `dirty` that was sent last.
    pub(super) last_part: Option<Part>,
    /// A message was sent, and the driver has not called `handle_ready` since.
    pub(super) busy: bool,
}

/// Content that is sent in several messages, or the rest of it.
#[derive(Debug)]
pub(super) enum Transfer {
    /// Our entries after this family and key, or all of them.
    Database(Option<(Text, Text)>),
    /// The visible values of a family after this key, or all of them.
    Family(Text, Option<Text>),
    /// The answer to this deferred request.
    Request(Request),
}

impl Transfer {
    fn covers_part(&self, source: Source, family: &Text) -> bool {
        match self {
            Self::Database(_) => source == Source::Ours,
            Self::Family(own, _) => source == Source::Visible && own == family,
            Self::Request(_) => false,
        }
    }

    /// Whether `key` is still to be sent with this transfer, which covers the part of `family`.
    fn covers_key(&self, family: &Text, key: &Text) -> bool {
        match self {
            Self::Database(after) => {
                let after = after.as_ref().map(|(family, key)| (family, key));
                after.is_none_or(|after| (family, key) > after)
            }
            Self::Family(_, after) => after.as_ref().is_none_or(|after| key > after),
            Self::Request(_) => false,
        }
    }
}

impl Backlog {
    /// Queues a request, to be answered when the peer is ready.
    pub(super) fn push_request(&mut self, request: Request) {
        self.transfers.push_back(Transfer::Request(request));
    }

    /// Drops the visible values of a family: the peer has stopped watching.
    pub(super) fn cancel(&mut self, family: &Text) {
        self.transfers
            .retain(|transfer| !transfer.covers_part(Source::Visible, family));
        self.dirty.remove(&(Source::Visible, family.clone()));
    }

    /// Drops everything of this source.
    pub(super) fn cancel_all(&mut self, source: Source) {
        self.transfers.retain(|transfer| match transfer {
            Transfer::Database(_) => source != Source::Ours,
            Transfer::Family(..) => source != Source::Visible,
            Transfer::Request(_) => true,
        });
        self.dirty.retain(|(of, _), _| *of != source);
    }

    /// Queues a part from its beginning, in place of what was queued of it.
    pub(super) fn restart(&mut self, (source, family): Part) {
        match source {
            Source::Ours => {
                self.cancel_all(source);
                self.transfers.push_back(Transfer::Database(None));
            }
            Source::Visible => {
                self.cancel(&family);
                self.transfers.push_back(Transfer::Family(family, None));
            }
        }
    }

    /// Whether the peer is ready and has been sent all changes of `part` that have left the outlet.
    pub(super) fn is_up_to_date(&self, part: &Part) -> bool {
        !self.busy && self.transfers.is_empty() && !self.dirty.contains_key(part)
    }

    /// Marks changed keys as dirty. Each comes with whether it had a value when the outlet last sent it, and whether it has
    /// one now. With more than `max` dirty keys, the largest part is sent from its beginning instead, which needs no memory.
    pub(super) fn mark_dirty(&mut self, part: &Part, changed: &[(Text, bool, bool)], max: usize) {
        let transfer = self
            .transfers
            .iter()
            .find(|transfer| transfer.covers_part(part.0, &part.1));
        let dirty = self.dirty.entry(part.clone()).or_default();
        for (key, before, now) in changed {
            if transfer.is_some_and(|transfer| transfer.covers_key(&part.1, key)) {
                continue;
            }
            let known = *dirty.get(key).unwrap_or(before);
            match known || *now {
                true => drop(dirty.insert(key.clone(), known)),
                // The key was set and deleted, and the peer knows of neither.
                false => drop(dirty.remove(key)),
            }
        }
        if dirty.is_empty() {
            self.dirty.remove(part);
        }
        let count: usize = self.dirty.values().map(Changed::len).sum();
        if count > max
            && let Some((largest, _)) = self.dirty.iter().max_by_key(|(_, keys)| keys.len())
        {
            let largest = largest.clone();
            self.restart(largest);
        }
    }
}
