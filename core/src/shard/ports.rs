//! `Ports`: the ports of one shard, found by name and kept in a vector.
//!
//! With many ports most of the time is waiting for memory. So the table that is searched holds only places in the
//! vector and stays in the cache, a name lies beside its port, and to find a port and to run it are two steps: a shard
//! looks up several ports one after the other, and the processor waits for the memory of all of them at once.

use std::hash::BuildHasher;
use std::sync::Arc;

use aemp_proto::map::RandomState;
use aemp_proto::monitor::{Keyed, MonitorKey};
use hashbrown::HashTable;

use super::item::OnEnd;
use super::item::{Asked, RemoteKey, RemoteWatcher, Watcher};
use crate::PortName;
use crate::guard;
use crate::monitor::Action;
use crate::port::{Owned, Port};

/// Where a port is kept as long as it lives.
#[derive(Clone, Copy)]
pub(super) struct Place(u32);

impl Place {
    /// Where no port is.
    pub(super) const NONE: Self = Self(u32::MAX);
}

#[derive(Default)]
pub(super) struct Ports {
    hasher: RandomState,
    places: HashTable<u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
}

/// A living port, in one cache line. Most own nothing and are watched by nobody, so that has its own allocation.
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) name: PortName,
    pub(super) port: Box<dyn Port>,
    pub(super) owned: Option<Box<Owned>>,
    pub(super) ties: Option<Box<Ties>>,
    /// How many it has had.
    pub(super) messages: u64,
}

const _: () = assert!(size_of::<Option<Slot>>() == 64);

/// Who is told of a port's death.
#[derive(Default)]
pub(super) struct Ties {
    /// Monitors of this node.
    local: Keyed<Action>,
    /// Other nodes, by the key of the connection that they asked over.
    remote: Keyed<Asker>,
    pub(super) on_end: Option<OnEnd>,
}

/// Another node that watches a port.
struct Asker {
    watcher: Arc<dyn RemoteWatcher>,
    /// How often it asked: it takes back as often, and is told as often (protocol.md section 5).
    times: usize,
}

impl Ties {
    pub(super) fn ending(on_end: OnEnd) -> Self {
        Self {
            on_end: Some(on_end),
            ..Self::default()
        }
    }

    pub(super) fn watchers(&self) -> usize {
        let remote = self.remote.iter().map(|asker| asker.times);
        self.local.len() + remote.sum::<usize>()
    }

    pub(super) fn add(&mut self, watcher: Watcher) {
        match watcher {
            Watcher::Local(key, action) => self.local.insert(key, action),
            Watcher::Remote(watcher, key) => match self.remote.get_mut(key) {
                Some(asker) => asker.times += 1,
                None => self.remote.insert(key, Asker { watcher, times: 1 }),
            },
        }
    }

    /// Ends a monitor of this node.
    pub(super) fn remove(&mut self, key: MonitorKey) {
        // A callback is the program's code to drop.
        guard::dispose(self.local.remove(key));
    }

    /// Ends what another node watches under `key`.
    pub(super) fn remove_remote(&mut self, key: RemoteKey, asked: Asked) {
        if let Some(asker) = self.remote.get_mut(key) {
            asker.times -= 1;
            if asked == Asked::All || asker.times == 0 {
                guard::dispose(self.remote.remove(key));
            }
        }
    }

    /// All of them: those of this node in the order in which they were set, then other nodes.
    pub(super) fn into_watchers(self) -> impl Iterator<Item = Watcher> + Send {
        let local = self.local.into_iter();
        let local = local.map(|(key, action)| Watcher::Local(key, action));
        let remote = self.remote.into_iter().flat_map(|(key, asker)| {
            let Asker { watcher, times } = asker;
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

    /// Where the port called `name`, whose hash is `hash`, is kept. That holds until a port is inserted.
    #[inline]
    pub(super) fn find(&self, name: &PortName, hash: u64) -> Place {
        let found = self.places.find(hash, |&place| self.is(place, name));
        found.map_or(Place::NONE, |&place| Place(place))
    }

    #[inline]
    fn is(&self, place: u32, name: &PortName) -> bool {
        matches!(self.slots.get(place as usize), Some(Some(slot)) if slot.name == *name)
    }

    /// The port at `place`, if one lives there.
    #[inline]
    pub(super) fn at(&mut self, place: Place) -> Option<&mut Slot> {
        self.slots.get_mut(place.0 as usize)?.as_mut()
    }

    pub(super) fn get_mut(&mut self, name: &PortName) -> Option<&mut Slot> {
        self.at(self.find(name, self.hash(name)))
    }

    /// Gives the port back if one of that name lives.
    pub(super) fn insert(&mut self, slot: Slot) -> Result<(), Slot> {
        let hash = self.hash(&slot.name);
        if self.find(&slot.name, hash).0 != Place::NONE.0 {
            return Err(slot);
        }
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = Some(slot);
                place
            }
            None => {
                self.slots.push(Some(slot));
                self.slots.len() as u32 - 1
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let rehash = |&place: &u32| {
            slots[place as usize]
                .as_ref()
                .map_or(0, |slot| hasher.hash_one(&slot.name))
        };
        self.places.insert_unique(hash, place, rehash);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &PortName) -> Option<Slot> {
        let hash = self.hash(name);
        let slots = &mut self.slots;
        let is = |&place: &u32| matches!(slots.get(place as usize), Some(Some(slot)) if slot.name == *name);
        let (place, _) = self.places.find_entry(hash, is).ok()?.remove();
        self.free.push(place);
        self.slots.get_mut(place as usize)?.take()
    }

    /// All that live.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }

    pub(super) fn names(&self) -> Vec<PortName> {
        self.iter().map(|slot| slot.name.clone()).collect()
    }
}
