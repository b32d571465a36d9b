//! The end of a shard, whichever way it comes: its node stops, the shard itself panics, or its runtime is dropped.

use std::sync::Arc;
use std::vec::Drain;

use super::queue::Taken;
use super::run::Shard;
use super::{Item, What};
use crate::Reason;
use crate::guard::{self, Panicked};
use crate::node::Inner;

/// A shard at work, with what it has taken from its queue. Dropped, it ends: its queue takes nothing more, its ports die,
/// and whoever waits for one of them, or for what was queued, is told.
pub(super) struct Running {
    pub(super) shard: Shard,
    pub(super) taken: Taken,
    index: usize,
    /// Why its ports die.
    reason: Reason,
}

impl Running {
    pub(super) fn new(node: Arc<Inner>, index: usize) -> Self {
        Self {
            reason: node.stopped_reason(),
            shard: Shard::new(node),
            taken: Taken::default(),
            index,
        }
    }

    /// The shard has panicked outside of all code of the program's: the node stops.
    pub(super) fn fail(&mut self, panic: &Panicked) {
        let node = &self.shard.node;
        let why = format!("shard {} panicked: {panic}", self.index);
        self.reason = Reason::transport_error(&node.id, &why);
        node.fail(why);
    }

    /// Does what remains to be done with an item when the ports die. Messages are lost with their port.
    fn settle(&mut self, item: Item) {
        match item.what {
            What::Insert(new) => new.dispose(&self.reason),
            What::Watch(watcher) if !self.shard.has(&item.port) => {
                self.shard.tell(&item.port, *watcher, &self.reason);
            }
            What::Report(to) => drop(to),
            _ => self.shard.handle(item),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shard.ended = true;
        let mut items = self.taken.all();
        let shards = self.shard.node.shards.clone();
        shards.queues[self.index].end(&mut self.taken);
        items.append(&mut self.taken.all());
        for item in items {
            guard::log("the end of a shard panicked", || self.settle(item));
        }
        for port in self.shard.ports() {
            let reason = self.reason.clone();
            guard::log("the end of a shard panicked", || {
                self.shard.bury(&port, reason)
            });
        }
    }
}

/// The items of a chunk as they are worked off. Those that a panic leaves are kept for the end of the shard.
pub(super) struct Items<'a> {
    pub(super) items: Drain<'a, Item>,
    pub(super) left: &'a mut Vec<Item>,
}

impl Drop for Items<'_> {
    fn drop(&mut self) {
        self.left.extend(self.items.by_ref());
    }
}
