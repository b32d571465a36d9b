//! `Ports`: the ports of one shard, found by name and kept in a vector.
//!
//! With many ports, cache misses take most of the time. So the hash table holds only indices of the vector and stays in
//! the cache, a name lies beside its port, and finding a port and running it are two steps: a shard looks up several
//! ports in a row, and the processor overlaps the cache misses of all of them.

use std::hash::BuildHasher;
use std::sync::Arc;

use aemp_proto::map::RandomState;
use aemp_proto::monitor::{Keyed, MonitorKey};
use hashbrown::HashTable;

use super::item::OnEnd;
use super::item::{RemoteKey, RemoteWatcher, UnwatchCount, Watcher};
use crate::PortName;
use crate::guard;
use crate::monitor::Action;
use crate::port::{Owned, ShardPort};

/// The index of a port's slot. It stays the same as long as the port lives.
#[derive(Clone, Copy)]
pub(super) struct SlotIndex(u32);

impl SlotIndex {
    /// The index of no slot.
    pub(super) const NONE: Self = Self(u32::MAX);
}

#[derive(Default)]
pub(super) struct Ports {
    hasher: RandomState,
    indices: HashTable<u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
}

/// A live port, in one cache line. Most ports own nothing and have no watchers, so these have their own allocations.
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) name: PortName,
    pub(super) port: Box<dyn ShardPort>,
    pub(super) owned: Option<Box<Owned>>,
    pub(super) observers: Option<Box<Observers>>,
    /// Messages received so far.
    pub(super) messages: u64,
}

const _: () = assert!(size_of::<Option<Slot>>() == 64);

/// The receivers of the notification that a port has died.
#[derive(Default)]
pub(super) struct Observers {
    /// Monitors of this node.
    local: Keyed<Action>,
    /// Other nodes, by the key of the connection over which they asked.
    remote: Keyed<RemoteMonitors>,
    pub(super) on_end: Option<OnEnd>,
}

/// Another node that watches a port.
struct RemoteMonitors {
    watcher: Arc<dyn RemoteWatcher>,
    /// The number of monitors that it has set: it removes each of them, and is notified for each (protocol.md section 5).
    times: usize,
}

impl Observers {
    pub(super) fn ending(on_end: OnEnd) -> Self {
        Self {
            on_end: Some(on_end),
            ..Self::default()
        }
    }

    pub(super) fn watchers(&self) -> usize {
        let remote = self.remote.iter().map(|monitors| monitors.times);
        self.local.len() + remote.sum::<usize>()
    }

    pub(super) fn add(&mut self, watcher: Watcher) {
        match watcher {
            Watcher::Local(key, action) => self.local.insert(key, action),
            Watcher::Remote(watcher, key) => match self.remote.get_mut(key) {
                Some(monitors) => monitors.times += 1,
                None => self
                    .remote
                    .insert(key, RemoteMonitors { watcher, times: 1 }),
            },
        }
    }

    /// Ends a monitor of this node.
    pub(super) fn remove(&mut self, key: MonitorKey) {
        // Dropping a callback may run the program's code.
        guard::dispose(self.local.remove(key));
    }

    /// Removes one or all monitors that another node holds under `key`.
    pub(super) fn remove_remote(&mut self, key: RemoteKey, count: UnwatchCount) {
        if let Some(monitors) = self.remote.get_mut(key) {
            monitors.times -= 1;
            if count == UnwatchCount::All || monitors.times == 0 {
                guard::dispose(self.remote.remove(key));
            }
        }
    }

    /// All watchers: those of this node in the order in which they were set, then other nodes.
    pub(super) fn into_watchers(self) -> impl Iterator<Item = Watcher> + Send {
        let local = self.local.into_iter();
        let local = local.map(|(key, action)| Watcher::Local(key, action));
        let remote = self.remote.into_iter().flat_map(|(key, monitors)| {
            let RemoteMonitors { watcher, times } = monitors;
            (0..times).map(move |_| Watcher::Remote(watcher.clone(), key))
        });
        local.chain(remote)
    }
}

impl Ports {
    #[inline]
    pub(super) fn hash(&self, name: &PortName) -> u64 {
        self.hasher.hash_one(name)
    }

    /// The index of the port `name`, whose hash is `hash`. It is valid until a port is inserted.
    #[inline]
    pub(super) fn find(&self, name: &PortName, hash: u64) -> SlotIndex {
        let found = self.indices.find(hash, |&index| self.is(index, name));
        found.map_or(SlotIndex::NONE, |&index| SlotIndex(index))
    }

    #[inline]
    fn is(&self, index: u32, name: &PortName) -> bool {
        matches!(self.slots.get(index as usize), Some(Some(slot)) if slot.name == *name)
    }

    /// The port at `index`, if there is one.
    #[inline]
    pub(super) fn at(&mut self, index: SlotIndex) -> Option<&mut Slot> {
        self.slots.get_mut(index.0 as usize)?.as_mut()
    }

    pub(super) fn get_mut(&mut self, name: &PortName) -> Option<&mut Slot> {
        self.at(self.find(name, self.hash(name)))
    }

    /// Returns the slot as an error if a live port has the same name.
    pub(super) fn insert(&mut self, slot: Slot) -> Result<(), Slot> {
        let hash = self.hash(&slot.name);
        if self.find(&slot.name, hash).0 != SlotIndex::NONE.0 {
            return Err(slot);
        }
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = Some(slot);
                index
            }
            None => {
                self.slots.push(Some(slot));
                self.slots.len() as u32 - 1
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let rehash = |&index: &u32| {
            slots[index as usize]
                .as_ref()
                .map_or(0, |slot| hasher.hash_one(&slot.name))
        };
        self.indices.insert_unique(hash, index, rehash);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &PortName) -> Option<Slot> {
        let hash = self.hash(name);
        let slots = &mut self.slots;
        let is = |&index: &u32| matches!(slots.get(index as usize), Some(Some(slot)) if slot.name == *name);
        let (index, _) = self.indices.find_entry(hash, is).ok()?.remove();
        self.free.push(index);
        self.slots.get_mut(index as usize)?.take()
    }

    /// All live ports.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }

    pub(super) fn names(&self) -> Vec<PortName> {
        self.iter().map(|slot| slot.name.clone()).collect()
    }
}
