//! `Store`: who holds which entries of the directory, and what of it is seen.
//!
//! A key of a family can be held by several nodes, each with a value of its own. For a global node those that hold are
//! itself, its slaves, and the other global nodes, each of which stands for its own slaves. The first two are *ours*:
//! what we hold for the network, and tell the other global nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Held, OwnerIndex, size_of_entry};
use super::name;
use crate::{NodeId, Text, Value};

pub(super) struct Store {
    own: NodeId,
    families: BTreeMap<Text, BTreeMap<Text, Entry>>,
    /// By index; `None` is a free place.
    owners: Vec<Option<Owner>>,
    by_id: BTreeMap<NodeId, OwnerIndex>,
    /// How much all but this node hold.
    others: Usage,
}

struct Owner {
    id: NodeId,
    /// We ourselves, or a slave of ours.
    ours: bool,
    families: BTreeMap<Text, BTreeSet<Text>>,
    usage: Usage,
}

/// How much one node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) keys: usize,
    pub(super) bytes: usize,
    pub(super) families: usize,
}

/// What a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// What is seen of the key may have changed; and whether anything was seen before.
    pub(super) seen: Option<bool>,
    /// What we hold of it may have; and whether we held anything before.
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

    /// Makes `id` a holder, one of ours or not. What it held before is kept.
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
            Some(place) => *place = Some(owner),
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

    /// How much `id` holds.
    pub(super) fn usage(&self, id: &NodeId) -> Usage {
        self.owner_of(id)
            .map(|owner| owner.usage)
            .unwrap_or_default()
    }

    /// What `id` holds of `key`.
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

    /// How much all others hold.
    pub(super) fn usage_of_others(&self) -> Usage {
        self.others
    }

    /// Counts what `change` does to what `id` holds.
    fn counted<T>(&mut self, id: &NodeId, change: impl FnOnce(&mut Self) -> T) -> T {
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

    /// Lets `id`, which is a holder, hold `key` with `value`.
    pub(super) fn set(&mut self, id: &NodeId, family: &Text, key: Text, value: Value) -> Told {
        self.counted(id, |store| store.put(id, family, key, value))
    }

    fn put(&mut self, id: &NodeId, family: &Text, key: Text, value: Value) -> Told {
        let Some(&by) = self.by_id.get(id) else {
            return Told::default();
        };
        let size = size_of_entry(&key, &value);
        let before = self.before(by, family, &key);
        let Some(owner) = self.owners.get_mut(by as usize).and_then(Option::as_mut) else {
            return Told::default();
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
            // Of listeners the first who told counts, so a place is kept; of others the last of ours.
            Some(entry) => entry.set(held, name::is_listeners(family)),
        };
        if let Some(replaced) = replaced
            && let Some(Some(owner)) = self.owners.get_mut(by as usize)
        {
            owner.usage.bytes -= size_of_entry(&key, &replaced);
        }
        let is_seen = self.holder_seen(family, &key) == Some(by);
        Told {
            seen: before.seen.filter(|_| is_seen),
            ..before
        }
    }

    /// What a change of what `by` holds may concern, before it.
    fn before(&self, by: OwnerIndex, family: &str, key: &str) -> Told {
        let entry = self.families.get(family).and_then(|keys| keys.get(key));
        let our_value = entry.and_then(|entry| self.our_value(entry));
        Told {
            seen: Some(entry.is_some()),
            ours: self.is_ours(by).then_some(our_value.is_some()),
        }
    }

    /// Lets `id` no longer hold `key`.
    pub(super) fn delete(&mut self, id: &NodeId, family: &str, key: &str) -> Told {
        self.counted(id, |store| store.take_out(id, family, key))
    }

    fn take_out(&mut self, id: &NodeId, family: &str, key: &str) -> Told {
        let Some(&by) = self.by_id.get(id) else {
            return Told::default();
        };
        let seen_was_its = self.holder_seen(family, key) == Some(by);
        let before = self.before(by, family, key);
        let Some(owner) = self.owners.get_mut(by as usize).and_then(Option::as_mut) else {
            return Told::default();
        };
        let Some(keys) = owner.families.get_mut(family) else {
            return Told::default();
        };
        if !keys.remove(key) {
            return Told::default();
        }
        owner.usage.keys -= 1;
        if keys.is_empty() {
            owner.families.remove(family);
            owner.usage.families -= 1;
        }
        if let Some(value) = self.remove(by, family, key)
            && let Some(Some(owner)) = self.owners.get_mut(by as usize)
        {
            owner.usage.bytes -= size_of_entry(key, &value);
        }
        Told {
            seen: before.seen.filter(|_| seen_was_its),
            ..before
        }
    }

    fn remove(&mut self, by: OwnerIndex, family: &str, key: &str) -> Option<Value> {
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

    /// Makes `id`, which holds nothing any more, a holder no longer.
    pub(super) fn remove_owner(&mut self, id: &NodeId) {
        if let Some(index) = self.by_id.remove(id)
            && let Some(place) = self.owners.get_mut(index as usize)
        {
            *place = None;
        }
    }

    /// What is seen of `key`.
    pub(super) fn seen(&self, family: &str, key: &str) -> Option<&Value> {
        let entry = self.families.get(family)?.get(key)?;
        Some(&self.choose(family, key, entry).value)
    }

    fn holder_seen(&self, family: &str, key: &str) -> Option<OwnerIndex> {
        let entry = self.families.get(family)?.get(key)?;
        Some(self.choose(family, key, entry).by)
    }

    /// The keys of a family in order, with what is seen of them.
    pub(super) fn family<'s>(
        &'s self,
        family: &'s str,
    ) -> impl Iterator<Item = (&'s Text, &'s Value)> {
        let entries = self.families.get(family).into_iter().flatten();
        entries.map(move |(key, entry)| (key, &self.choose(family, key, entry).value))
    }

    /// The families, with how many keys.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (Text, usize)> {
        let families = self.families.iter();
        families.map(|(family, entries)| (family.clone(), entries.len()))
    }

    /// The same behind `after`.
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
        entries.map(move |(key, entry)| (key, &self.choose(family, key, entry).value))
    }

    /// What we hold of `key` for the network.
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

    /// What we hold for the network behind `after`, in order: family, key and value.
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

    /// What `id` holds behind `after` in order, family and key: `most` of it.
    pub(super) fn held_after(
        &self,
        id: &NodeId,
        after: Option<&(Text, Text)>,
        most: usize,
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
        entries.take(most).collect()
    }

    fn is_ours(&self, index: OwnerIndex) -> bool {
        self.owner(index).is_some_and(|owner| owner.ours)
    }

    /// Of those who hold a key, whose value is seen. All global nodes have to come to the same answer, though they learn
    /// of the holders in different order and know only their own slaves apart.
    fn choose<'e>(&self, family: &str, key: &str, entry: &'e Entry) -> &'e Held {
        let mut best = &entry.first;
        let Some(more) = &entry.more else {
            return best;
        };
        let listeners = name::is_listeners(family);
        let mut rank = self.rank(best, key, listeners);
        for held in more.iter() {
            let other = self.rank(held, key, listeners);
            // Of ours the last that was set.
            if other < rank || (other == rank && self.is_ours(held.by)) {
                (best, rank) = (held, other);
            }
        }
        best
    }

    /// The lowest is seen. A node's listeners are best known by itself, then by its global node, which is this one if it
    /// is a slave of ours; of others the first to tell. Of all other families, one global node's before another's, so
    /// that it is the same everywhere.
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

#[cfg(test)]
impl Store {
    pub(super) fn expect_counted(&self) {
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
