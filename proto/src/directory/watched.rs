//! `Watched`: a family that programs on this node watch, with the content that they were sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Text, Value};

/// A change of a watched family.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Change {
    /// Whether `set` is the whole content of the family and replaces earlier changes. The first change of a watch is
    /// whole. A family over 4 MiB may come in parts: the first is whole, the others follow as changes.
    pub snapshot: bool,
    /// Keys that are new or have a new value.
    pub set: BTreeMap<Text, Value>,
    /// Keys that are deleted. None of them is in `set`.
    pub deleted: BTreeSet<Text>,
}

impl Change {
    /// Applies the change to a copy of the family.
    pub fn apply(&self, family: &mut BTreeMap<Text, Value>) {
        if self.snapshot {
            family.clear();
        }
        family.retain(|key, _| !self.deleted.contains(key));
        family.extend(
            self.set
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }

    /// Merges the change `next`, which follows this one, into this one.
    pub fn merge(&mut self, next: Self) {
        if next.snapshot {
            *self = next;
            return;
        }
        for key in next.deleted {
            self.set.remove(&key);
            if !self.snapshot {
                self.deleted.insert(key);
            }
        }
        for (key, value) in next.set {
            self.deleted.remove(&key);
            self.set.insert(key, value);
        }
    }

    fn is_empty(&self) -> bool {
        !self.snapshot && self.set.is_empty() && self.deleted.is_empty()
    }
}

#[derive(Default)]
pub(super) struct Watched {
    /// The content that was sent to programs; `None` before the first content.
    sent: Option<BTreeMap<Text, Value>>,
}

impl Watched {
    /// The first change for a program that begins to watch, if the content is known.
    pub(super) fn whole_content(&self) -> Option<Change> {
        Some(Change {
            snapshot: true,
            set: self.sent.clone()?,
            deleted: BTreeSet::new(),
        })
    }

    /// The family has this content. Returns the change for programs, if there is one.
    pub(super) fn set_content(&mut self, content: BTreeMap<Text, Value>) -> Option<Change> {
        let Some(sent) = &mut self.sent else {
            self.sent = Some(content);
            return self.whole_content();
        };
        let set = content
            .iter()
            .filter(|(key, value)| sent.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()));
        let change = Change {
            snapshot: false,
            set: set.collect(),
            deleted: sent
                .keys()
                .filter(|key| !content.contains_key(*key))
                .cloned()
                .collect(),
        };
        *sent = content;
        (!change.is_empty()).then_some(change)
    }

    /// These keys have new values, or are deleted. Returns the change for programs; `None` before the first content.
    pub(super) fn apply_changes(
        &mut self,
        keys: impl Iterator<Item = (Text, Option<Value>)>,
    ) -> Option<Change> {
        let sent = self.sent.as_mut()?;
        let mut change = Change::default();
        for (key, value) in keys {
            match value {
                Some(value) if sent.get(&key) != Some(&value) => {
                    sent.insert(key.clone(), value.clone());
                    change.set.insert(key, value);
                }
                Some(_) => {}
                None => {
                    if sent.remove(&key).is_some() {
                        change.set.remove(&key);
                        change.deleted.insert(key);
                    }
                }
            }
        }
        (!change.is_empty()).then_some(change)
    }
}
