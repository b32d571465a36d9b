//! `Watched`: a family that programs on this node watch, as they have been told of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Text, Value};

/// What is told of a watched family.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Change {
    /// `set` is all that is in the family: forget what was told before. So it is the first time. Of a family over 4 MiB it
    /// may be the first part, and the others follow as changes.
    pub whole: bool,
    /// Keys that are new or have another value.
    pub set: BTreeMap<Text, Value>,
    /// Keys that are gone. None of them is in `set`.
    pub deleted: BTreeSet<Text>,
}

impl Change {
    /// Brings `family` up to date.
    pub fn apply(&self, family: &mut BTreeMap<Text, Value>) {
        if self.whole {
            family.clear();
        }
        family.retain(|key, _| !self.deleted.contains(key));
        family.extend(
            self.set
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }

    /// Makes of this change and the `next` one change.
    pub fn merge(&mut self, next: Self) {
        if next.whole {
            *self = next;
            return;
        }
        for key in next.deleted {
            self.set.remove(&key);
            if !self.whole {
                self.deleted.insert(key);
            }
        }
        for (key, value) in next.set {
            self.deleted.remove(&key);
            self.set.insert(key, value);
        }
    }

    fn is_empty(&self) -> bool {
        !self.whole && self.set.is_empty() && self.deleted.is_empty()
    }
}

#[derive(Default)]
pub(super) struct Watched {
    /// What they have been told; `None` before the first time.
    told: Option<BTreeMap<Text, Value>>,
}

impl Watched {
    /// What is to be told to somebody who begins to watch, if it is known.
    pub(super) fn begin(&self) -> Option<Change> {
        Some(Change {
            whole: true,
            set: self.told.clone()?,
            deleted: BTreeSet::new(),
        })
    }

    /// This is in the family now.
    pub(super) fn content(&mut self, content: BTreeMap<Text, Value>) -> Option<Change> {
        let Some(told) = &mut self.told else {
            self.told = Some(content);
            return self.begin();
        };
        let set = content
            .iter()
            .filter(|(key, value)| told.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()));
        let change = Change {
            whole: false,
            set: set.collect(),
            deleted: told
                .keys()
                .filter(|key| !content.contains_key(*key))
                .cloned()
                .collect(),
        };
        *told = content;
        (!change.is_empty()).then_some(change)
    }

    /// These keys have these values now, or are gone. Nothing is told before the first content.
    pub(super) fn changed(
        &mut self,
        keys: impl Iterator<Item = (Text, Option<Value>)>,
    ) -> Option<Change> {
        let told = self.told.as_mut()?;
        let mut change = Change::default();
        for (key, value) in keys {
            match value {
                Some(value) if told.get(&key) != Some(&value) => {
                    told.insert(key.clone(), value.clone());
                    change.set.insert(key, value);
                }
                Some(_) => {}
                None => {
                    if told.remove(&key).is_some() {
                        change.set.remove(&key);
                        change.deleted.insert(key);
                    }
                }
            }
        }
        (!change.is_empty()).then_some(change)
    }
}
