//! `Store`: all entries by family and key, indexed by the node that holds them, and the choice of the visible value.
//!
//! Several nodes can hold the same key, each with its own value. On a global node the holders are the node itself, its
//! slaves, and the other global nodes, each on behalf of its own slaves. Entries of the node itself and of its slaves
//! are *ours*: the node sends them to the other global nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Held, OwnerIndex, size_of_entry};
use super::name;
use crate::{NodeId, Text, Value};

pub(super) struct Store {
    own: NodeId,
    families: BTreeMap<Text, BTreeMap<Text, Entry>>,
    /// Owners by [`OwnerIndex`]. `None` is a free slot.
    owners: Vec<Option<Owner>>,
    by_id: BTreeMap<NodeId, OwnerIndex>,
    /// The usage of all owners but this node.
    others: Usage,
}

struct Owner {
    id: NodeId,
    /// Whether the owner is this node or one of its slaves.
    ours: bool,
    families: BTreeMap<Text, BTreeSet<Text>>,
    usage: Usage,
}

/// How much a node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) keys: usize,
    pub(super) bytes: usize,
    pub(super) families: usize,
}

/// Which views of a key a change may affect, each with whether the key had a value there before the change. `None`: the
/// view is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Affected {
    /// The visible value.
    pub(super) visible: Option<bool>,
    /// Our value, which is sent to the master or to the other global nodes.
    pub(super) ours: Option<bool>,
}

impl Store {
    pub(super) fn new(own: NodeId) -> Self {
        Self {
            own,
            families: BTreeMap::new(),
            owners: Vec::new(),
            by_id: BTreeMap::new(),
            others: Usage::default(),
        }
    }

    /// Adds an owner, or updates `ours` of an existing one. Its entries are kept.
    pub(super) fn add_owner(&mut self, id: &NodeId, ours: bool) {
        if let Some(index) = self.by_id.get(id) {
            if let Some(Some(owner)) = self.owners.get_mut(*index as usize) {
                owner.ours = ours;
            }
            return;
        }
        let owner = Owner {
            id: id.clone(),
            ours,
            families: BTreeMap::new(),
            usage: Usage::default(),
        };
        let free = self.owners.iter().position(Option::is_none);
        let index = free.unwrap_or(self.owners.len());
        match self.owners.get_mut(index) {
            Some(slot) => *slot = Some(owner),
            None => self.owners.push(Some(owner)),
        }
        self.by_id.insert(id.clone(), index as OwnerIndex);
    }

    fn owner(&self, index: OwnerIndex) -> Option<&Owner> {
        self.owners.get(index as usize)?.as_ref()
    }

    fn owner_of(&self, id: &NodeId) -> Option<&Owner> {
        self.owner(*self.by_id.get(id)?)
    }

    /// The usage of `id`.
    pub(super) fn usage(&self, id: &NodeId) -> Usage {
        self.owner_of(id)
            .map(|owner| owner.usage)
            .unwrap_or_default()
    }

    /// The value that `id` holds for `key`.
    pub(super) fn held(&self, id: &NodeId, family: &str, key: &str) -> Option<&Value> {
        let by = self.by_id.get(id)?;
        let entry = self.families.get(family)?.get(key)?;
        let held = entry.holders().find(|held| held.by == *by)?;
        Some(&held.value)
    }

    /// Whether `id` holds `key`.
    pub(super) fn holds(&self, id: &NodeId, family: &str, key: &str) -> bool {
        let owner = self.owner_of(id);
        owner.is_some_and(|owner| {
            owner
                .families
                .get(family)
                .is_some_and(|keys| keys.contains(key))
        })
    }

    /// The usage of all owners but this node.
    pub(super) fn usage_of_others(&self) -> Usage {
        self.others
    }

    /// Runs `change`, and updates the total usage by its effect on the usage of `id`.
    fn with_usage<T>(&mut self, id: &NodeId, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.usage(id);
        let outcome = change(self);
        if *id != self.own {
            let after = self.usage(id);
            self.others.keys = self.others.keys + after.keys - before.keys;
            self.others.bytes = self.others.bytes + after.bytes - before.bytes;
            self.others.families = self.others.families + after.families - before.families;
        }
        outcome
    }

    /// Sets the value that `id` holds for `key`. Does nothing if `id` is not an owner.
    pub(super) fn set(&mut self, id: &NodeId, family: &Text, key: Text, value: Value) -> Affected {
        self.with_usage(id, |store| store.insert_held(id, family, key, value))
    }

    fn insert_held(&mut self, id: &NodeId, family: &Text, key: Text, value: Value) -> Affected {
        let Some(&by) = self.by_id.get(id) else {
            return Affected::default();
        };
        let size = size_of_entry(&key, &value);
        let before = self.affected_by(by, family, &key);
        let Some(owner) = self.owners.get_mut(by as usize).and_then(Option::as_mut) else {
            return Affected::default();
        };
        let families = owner.families.len();
        let keys = owner.families.entry(family.clone()).or_default();
        if keys.insert(key.clone()) {
            owner.usage.keys += 1;
        }
        owner.usage.bytes += size;
        owner.usage.families += owner.families.len() - families;
        let entries = self.families.entry(family.clone()).or_default();
        let held = Held { by, value };
        let replaced = match entries.get_mut(&key) {
            None => {
                entries.insert(
                    key.clone(),
                    Entry {
                        first: held,
                        more: None,
                    },
                );
                None
            }
            // Of listeners the first value counts, so a new value keeps its place. Elsewhere the last of ours counts.
            Some(entry) => entry.set(held, name::is_listeners(family)),
        };
        if let Some(replaced) = replaced
            && let Some(Some(owner)) = self.owners.get_mut(by as usize)
        {
            owner.usage.bytes -= size_of_entry(&key, &replaced);
        }
        let is_visible = self.visible_owner(family, &key) == Some(by);
        Affected {
            visible: before.visible.filter(|_| is_visible),
            ..before
        }
    }

    /// What a change of the value that `by` holds may affect. Call it before the change.
    fn affected_by(&self, by: OwnerIndex, family: &str, key: &str) -> Affected {
        let entry = self.families.get(family).and_then(|keys| keys.get(key));
        let our_value = entry.and_then(|entry| self.our_value(entry));
        Affected {
            visible: Some(entry.is_some()),
            ours: self.is_ours(by).then_some(our_value.is_some()),
        }
    }

    /// Removes the value that `id` holds for `key`.
    pub(super) fn delete(&mut self, id: &NodeId, family: &str, key: &str) -> Affected {
        self.with_usage(id, |store| store.remove_held(id, family, key))
    }

    fn remove_held(&mut self, id: &NodeId, family: &str, key: &str) -> Affected {
        let Some(&by) = self.by_id.get(id) else {
            return Affected::default();
        };
        let was_visible = self.visible_owner(family, key) == Some(by);
        let before = self.affected_by(by, family, key);
        let Some(owner) = self.owners.get_mut(by as usize).and_then(Option::as_mut) else {
            return Affected::default();
        };
        let Some(keys) = owner.families.get_mut(family) else {
            return Affected::default();
        };
        if !keys.remove(key) {
            return Affected::default();
        }
        owner.usage.keys -= 1;
        if keys.is_empty() {
            owner.families.remove(family);
            owner.usage.families -= 1;
        }
        if let Some(value) = self.remove_value(by, family, key)
            && let Some(Some(owner)) = self.owners.get_mut(by as usize)
        {
            owner.usage.bytes -= size_of_entry(key, &value);
        }
        Affected {
            visible: before.visible.filter(|_| was_visible),
            ..before
        }
    }

    fn remove_value(&mut self, by: OwnerIndex, family: &str, key: &str) -> Option<Value> {
        let entries = self.families.get_mut(family)?;
        let entry = entries.get_mut(key)?;
        let removed = if entry.first.by == by {
            match entry.take_second() {
                Some(second) => Some(std::mem::replace(&mut entry.first, second).value),
                None => entries.remove(key).map(|entry| entry.first.value),
            }
        } else {
            entry.remove_later(by)
        };
        if entries.is_empty() {
            self.families.remove(family);
        }
        removed
    }

    /// Removes an owner that holds no entries.
    pub(super) fn remove_owner(&mut self, id: &NodeId) {
        if let Some(index) = self.by_id.remove(id)
            && let Some(slot) = self.owners.get_mut(index as usize)
        {
            *slot = None;
        }
    }

    /// The visible value of `key`.
    pub(super) fn visible(&self, family: &str, key: &str) -> Option<&Value> {
        let entry = self.families.get(family)?.get(key)?;
        Some(&self.choose_visible(family, key, entry).value)
    }

    fn visible_owner(&self, family: &str, key: &str) -> Option<OwnerIndex> {
        let entry = self.families.get(family)?.get(key)?;
        Some(self.choose_visible(family, key, entry).by)
    }

    /// The keys of a family in order, with their visible values.
    pub(super) fn family<'s>(
        &'s self,
        family: &'s str,
    ) -> impl Iterator<Item = (&'s Text, &'s Value)> {
        let entries = self.families.get(family).into_iter().flatten();
        entries.map(move |(key, entry)| (key, &self.choose_visible(family, key, entry).value))
    }

    /// The families, each with its number of keys.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (Text, usize)> {
        let families = self.families.iter();
        families.map(|(family, entries)| (family.clone(), entries.len()))
    }

    /// The keys of a family after the key `after` in order, with their visible values.
    pub(super) fn family_after<'s>(
        &'s self,
        family: &'s str,
        after: Option<&Text>,
    ) -> impl Iterator<Item = (&'s Text, &'s Value)> + use<'s> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |key| Excluded(key.clone()));
        let entries = self.families.get(family);
        let entries = entries.map(|entries| entries.range::<Text, _>((from, Unbounded)));
        let entries = entries.into_iter().flatten();
        entries.map(move |(key, entry)| (key, &self.choose_visible(family, key, entry).value))
    }

    /// Our value of `key`.
    pub(super) fn ours(&self, family: &str, key: &str) -> Option<&Value> {
        self.our_value(self.families.get(family)?.get(key)?)
    }

    fn our_value<'s>(&'s self, entry: &'s Entry) -> Option<&'s Value> {
        let held = entry
            .holders()
            .filter(|held| self.is_ours(held.by))
            .last()?;
        Some(&held.value)
    }

    /// Our entries after the family and key `after`, in order: family, key and value.
    pub(super) fn ours_after<'s>(
        &'s self,
        after: &'s (Text, Text),
    ) -> impl Iterator<Item = (&'s Text, &'s Text, &'s Value)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let families = self.families.range(after.0.clone()..);
        families.flat_map(move |(family, entries)| {
            let from = if *family == after.0 {
                Excluded(&after.1)
            } else {
                Unbounded
            };
            let entries = entries.range::<Text, _>((from, Unbounded));
            entries.filter_map(move |(key, entry)| Some((family, key, self.our_value(entry)?)))
        })
    }

    /// The keys that `id` holds in `family`.
    pub(super) fn held_by(&self, id: &NodeId, family: &str) -> impl Iterator<Item = &Text> {
        let owner = self.owner_of(id);
        owner
            .and_then(|owner| owner.families.get(family))
            .into_iter()
            .flatten()
    }

    /// The families and keys that `id` holds after the family and key `after`, in order, at most `max` of them.
    pub(super) fn held_after(
        &self,
        id: &NodeId,
        after: Option<&(Text, Text)>,
        max: usize,
    ) -> Vec<(Text, Text)> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let Some(owner) = self.owner_of(id) else {
            return Vec::new();
        };
        let first = after.map_or(Unbounded, |(family, _)| Included(family));
        let families = owner.families.range::<Text, _>((first, Unbounded));
        let entries = families.flat_map(|(family, keys)| {
            let after = after.filter(|(of, _)| of == family);
            let first = after.map_or(Unbounded, |(_, key)| Excluded(key));
            let keys = keys.range::<Text, _>((first, Unbounded));
            keys.map(move |key| (family.clone(), key.clone()))
        });
        entries.take(max).collect()
    }

    fn is_ours(&self, index: OwnerIndex) -> bool {
        self.owner(index).is_some_and(|owner| owner.ours)
    }

    /// Chooses the holder whose value is visible. All global nodes must choose the same one, although they learn of the
    /// holders in different orders and cannot tell the slaves of another global node apart.
    fn choose_visible<'e>(&self, family: &str, key: &str, entry: &'e Entry) -> &'e Held {
        let mut best = &entry.first;
        let Some(more) = &entry.more else {
            return best;
        };
        let listeners = name::is_listeners(family);
        let mut rank = self.rank(best, key, listeners);
        for held in more.iter() {
            let other = self.rank(held, key, listeners);
            // Of several of ours, the value set last.
            if other < rank || (other == rank && self.is_ours(held.by)) {
                (best, rank) = (held, other);
            }
        }
        best
    }

    /// The rank of a holder; the value of the lowest is visible. Listeners of a node: the node itself, then its global
    /// node (this node for our slaves), then the first of the others. Other families: the global node with the lowest
    /// ID, so that all nodes choose alike.
    fn rank<'s>(&'s self, held: &Held, key: &str, listeners: bool) -> (u8, &'s str) {
        let Some(owner) = self.owner(held.by) else {
            return (3, "");
        };
        match listeners {
            true if owner.id.as_str() == key => (0, ""),
            true if owner.ours => (1, ""),
            true => (2, ""),
            false if owner.ours => (0, self.own.as_str()),
            false => (0, owner.id.as_str()),
        }
    }
}

#[cfg(any(test, fuzzing))]
impl Store {
    pub(super) fn assert_usage_sums(&self) {
        let others = self.owners.iter().flatten();
        let others = others.filter(|owner| owner.id != self.own);
        let sum = others.fold(Usage::default(), |sum, owner| Usage {
            keys: sum.keys + owner.usage.keys,
            bytes: sum.bytes + owner.usage.bytes,
            families: sum.families + owner.usage.families,
        });
        assert_eq!(self.others, sum);
    }
}
