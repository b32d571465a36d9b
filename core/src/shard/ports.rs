//! `Ports`: the ports of one shard, found by name and kept in a vector.
//!
//! To find a port and to run it are two steps, so that a shard can look up several ports one after the other: the
//! processor then waits for the memory of all of them at once, which with many ports is most of the time.

use super::Watcher;
use super::item::OnEnd;
use crate::PortName;
use crate::map::HashMap;
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
    places: HashMap<PortName, u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
}

/// A living port. Most own nothing and are watched by nobody, so that has its own allocation.
pub(super) struct Slot {
    pub(super) port: Box<dyn Port>,
    pub(super) owned: Option<Box<Owned>>,
    pub(super) ties: Option<Box<Ties>>,
}

#[derive(Default)]
pub(super) struct Ties {
    pub(super) watchers: Vec<Watcher>,
    pub(super) on_end: Option<OnEnd>,
}

impl Ports {
    /// Where the port called `name` is kept. That holds until a port is inserted.
    #[inline]
    pub(super) fn find(&self, name: &PortName) -> Place {
        self.places
            .get(name)
            .map_or(Place::NONE, |&place| Place(place))
    }

    /// The port at `place`, if one lives there.
    #[inline]
    pub(super) fn at(&mut self, place: Place) -> Option<&mut Slot> {
        self.slots.get_mut(place.0 as usize)?.as_mut()
    }

    pub(super) fn get_mut(&mut self, name: &PortName) -> Option<&mut Slot> {
        self.at(self.find(name))
    }

    /// False if a port of that name lives.
    pub(super) fn insert(&mut self, name: PortName, slot: Slot) -> bool {
        if self.places.contains_key(&name) {
            return false;
        }
        let place = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.places.insert(name, place);
        match self.slots.get_mut(place as usize) {
            Some(empty) => *empty = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        true
    }

    pub(super) fn remove(&mut self, name: &PortName) -> Option<Slot> {
        let place = self.places.remove(name)?;
        self.free.push(place);
        self.slots.get_mut(place as usize)?.take()
    }

    pub(super) fn names(&self) -> Vec<PortName> {
        self.places.keys().cloned().collect()
    }
}
