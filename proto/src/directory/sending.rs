//! `Sending`: what one peer is still to be told.

use std::collections::{BTreeMap, VecDeque};

use super::outlet::Changed;
use super::request::Request;
use crate::Text;

/// What a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// What we hold for the network: the master is, and other global nodes are.
    Ours,
    /// What is seen of a family: those who watch it are.
    Seen,
}

/// A family of what a receiver is told.
pub(super) type Part = (Source, Text);

/// What one peer is still to be told.
#[derive(Default)]
pub(super) struct Sending {
    /// What is told from its beginning on, in order.
    pub(super) rest: VecDeque<Rest>,
    /// What has changed of what it has been told, and whether it was told that the key is there. A key that is pending in
    /// the outlet as well goes out with that, not before.
    pub(super) marks: BTreeMap<Part, Changed>,
    /// What the last of these that went out was about.
    pub(super) last: Option<Part>,
    /// Something was sent to it, and it may have no room yet for more.
    pub(super) busy: bool,
}

/// Something large, or what is left of it.
#[derive(Debug)]
pub(super) enum Rest {
    /// What we hold for the network, behind this family and key, or all of it.
    Database(Option<(Text, Text)>),
    /// A watched family, behind this key, or all of it.
    Family(Text, Option<Text>),
    /// The answer to a request.
    Answer(Request),
}

impl Rest {
    fn is_of(&self, source: Source, family: &Text) -> bool {
        match self {
            Self::Database(_) => source == Source::Ours,
            Self::Family(own, _) => source == Source::Seen && own == family,
            Self::Answer(_) => false,
        }
    }

    /// Whether `key` is told with it, of a family that it [is of](Self::is_of).
    fn has(&self, family: &Text, key: &Text) -> bool {
        match self {
            Self::Database(after) => {
                let after = after.as_ref().map(|(family, key)| (family, key));
                after.is_none_or(|after| (family, key) > after)
            }
            Self::Family(_, after) => after.as_ref().is_none_or(|after| key > after),
            Self::Answer(_) => false,
        }
    }
}

impl Sending {
    /// Answers this request when there is room.
    pub(super) fn answer(&mut self, request: Request) {
        self.rest.push_back(Rest::Answer(request));
    }

    /// The family is watched no more.
    pub(super) fn forget(&mut self, family: &Text) {
        self.rest.retain(|rest| !rest.is_of(Source::Seen, family));
        self.marks.remove(&(Source::Seen, family.clone()));
    }

    /// It is told nothing more of all this.
    pub(super) fn forget_all(&mut self, source: Source) {
        self.rest.retain(|rest| match rest {
            Rest::Database(_) => source != Source::Ours,
            Rest::Family(..) => source != Source::Seen,
            Rest::Answer(_) => true,
        });
        self.marks.retain(|(of, _), _| *of != source);
    }

    /// Tells it this from the beginning, when there is room.
    pub(super) fn begin(&mut self, (source, family): Part) {
        match source {
            Source::Ours => {
                self.forget_all(source);
                self.rest.push_back(Rest::Database(None));
            }
            Source::Seen => {
                self.forget(&family);
                self.rest.push_back(Rest::Family(family, None));
            }
        }
    }

    /// Whether it has been told all that is not in the outlet, and has room.
    pub(super) fn is_level(&self, part: &Part) -> bool {
        !self.busy && self.rest.is_empty() && !self.marks.contains_key(part)
    }

    /// Marks keys that have changed: each with whether it was told of by the outlet before, and is there now. Where that
    /// makes more marks than `most`, the receiver is told all of a part anew, for which nothing has to be kept.
    pub(super) fn mark(&mut self, part: &Part, changed: &[(Text, bool, bool)], most: usize) {
        let rest = self.rest.iter().find(|rest| rest.is_of(part.0, &part.1));
        let marks = self.marks.entry(part.clone()).or_default();
        for (key, before, now) in changed {
            if rest.is_some_and(|rest| rest.has(&part.1, key)) {
                continue;
            }
            let told = *marks.get(key).unwrap_or(before);
            match told || *now {
                true => drop(marks.insert(key.clone(), told)),
                // It came and went.
                false => drop(marks.remove(key)),
            }
        }
        if marks.is_empty() {
            self.marks.remove(part);
        }
        let count: usize = self.marks.values().map(Changed::len).sum();
        if count > most
            && let Some((largest, _)) = self.marks.iter().max_by_key(|(_, keys)| keys.len())
        {
            let largest = largest.clone();
            self.begin(largest);
        }
    }
}
