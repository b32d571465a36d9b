//! Shards: the few tasks that run all ports of a node.
//!
//! Each port belongs to one shard, chosen by its name. A shard owns its ports in a plain map and takes its queue
//! by swapping a vector under a short lock. Messages, kills and monitor requests travel in that one queue, so
//! they keep their order per sender and port. What is shared is the queues ([`Shards`]); the maps are not.

mod item;
mod queue;
mod run;

use std::hash::BuildHasher;
use std::sync::Arc;

use crate::map::RandomState;
use crate::monitor::MonitorKey;
use crate::port::Port;
use crate::{Message, PortName, Reason};

pub(crate) use item::{Item, NewPort, Watcher};
use queue::Queue;
pub(crate) use run::{panic_text, run};

/// The queues of all shards of a node.
pub(crate) struct Shards {
    queues: Box<[Queue]>,
    hasher: RandomState,
}

impl Shards {
    pub(crate) fn new(count: usize) -> Self {
        let queues = (0..count.max(1)).map(|_| Queue::default()).collect();
        Self {
            queues,
            hasher: RandomState::default(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.queues.len()
    }

    fn of(&self, port: &PortName) -> usize {
        // With one shard there is nothing to choose, and no reason to hash.
        if self.queues.len() == 1 {
            return 0;
        }
        self.hasher.hash_one(port) as usize % self.queues.len()
    }

    #[inline]
    pub(crate) fn push(&self, item: Item) {
        self.queues[self.of(item.port())].push(item);
    }

    pub(crate) fn insert(&self, port: PortName, new: NewPort) {
        self.push(Item::Insert(port, Box::new(new)));
    }

    #[inline]
    pub(crate) fn deliver(&self, port: PortName, message: Message) {
        self.push(Item::Deliver(port, message));
    }

    pub(crate) fn kill(&self, port: PortName, reason: Reason) {
        self.push(Item::Kill(port, reason));
    }

    pub(crate) fn watch(&self, port: PortName, watcher: Watcher) {
        self.push(Item::Watch(port, watcher));
    }

    pub(crate) fn unwatch(&self, port: PortName, key: MonitorKey) {
        self.push(Item::Unwatch(port, key));
    }

    /// Ends the shards once they have worked off what is queued.
    pub(crate) fn close(&self) {
        self.queues.iter().for_each(Queue::close);
    }
}

/// A new port as it travels to its shard.
pub(crate) fn new_port(port: impl Port + 'static) -> NewPort {
    NewPort {
        port: Box::new(port),
        on_end: None,
    }
}

/// Items of one reader on their way to the shards: one lock per shard and batch instead of one per message.
pub(crate) struct Batch {
    shards: Arc<Shards>,
    items: Vec<Vec<Item>>,
    bytes: usize,
}

impl Batch {
    pub(crate) fn new(shards: Arc<Shards>) -> Self {
        let items = (0..shards.count()).map(|_| Vec::new()).collect();
        Self {
            shards,
            items,
            bytes: 0,
        }
    }

    /// Adds an item that keeps about `bytes` bytes alive.
    pub(crate) fn push(&mut self, item: Item, bytes: usize) {
        self.bytes += bytes;
        let shard = self.shards.of(item.port());
        self.items[shard].push(item);
    }

    /// Hands everything to the shards.
    pub(crate) fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        for (queue, items) in self.shards.queues.iter().zip(&mut self.items) {
            queue.append(items, bytes);
        }
    }

    /// Waits until the shards have worked off most of what readers gave them, so that a fast sender is slowed
    /// by the transport and does not fill our memory.
    pub(crate) async fn ready(&mut self) {
        // Exclusive, since items are not to be shared between threads.
        for queue in &self.shards.queues {
            queue.ready().await;
        }
    }
}
