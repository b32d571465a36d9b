//! `Ports`: the ports of one shard, found by name and kept in a vector.
//!
//! With many ports most of the time is waiting for memory. So the table that is searched holds only places in the
//! vector and stays in the cache, a name lies beside its port, and to find a port and to run it are two steps: a shard
//! looks up several ports one after the other, and the processor waits for the memory of all of them at once.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::Watcher;
use super::item::OnEnd;
use crate::PortName;
use crate::map::RandomState;
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

#[derive(Default)]
pub(super) struct Ties {
    pub(super) watchers: Vec<Watcher>,
    pub(super) on_end: Option<OnEnd>,
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
