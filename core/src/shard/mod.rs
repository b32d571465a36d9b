//! Shards: the few tasks that run all ports of a node.
//!
//! Each port belongs to one shard, chosen by its name. A shard owns its ports in a plain map and takes its queue
//! by swapping a vector under a short lock. Messages, kills and monitor requests travel in that one queue, so
//! they keep their order per sender and port. The queues ([`Shards`]) are shared; the maps are not.

mod bodies;
mod death;
mod end;
mod item;
mod local;
mod notifications;
mod outstanding;
mod pools;
mod ports;
mod queue;
mod run;
mod stats;
mod taken;

use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use aemp_proto::codec::Prefix;
use aemp_proto::map::SeededState;
use aemp_proto::message::cost_of_message;
use aemp_proto::monitor::MonitorKey;
use tokio::sync::oneshot;

use crate::codec::Incoming;
use crate::config::Config;
use crate::guard;
use crate::message::IntoMessage;
use crate::monitor::Monitored;
use crate::port::ShardPort;
use crate::trace::TraceContext;
use crate::watchdog::Steps;
use crate::{Message, PortName, Reason};

use item::Chunk;
pub(crate) use item::{Item, NewPort, OnEnd, Op, RemoteWatcher, Run, UnwatchCount, Watcher};
use local::Local;
pub(crate) use local::NoRoom;
use outstanding::Outstanding;
use queue::Queue;
pub(crate) use run::run;
pub use stats::{PortStats, ShardStats};

/// The queues of all shards of a node.
pub(crate) struct Shards {
    queues: Box<[Queue]>,
    /// How far each shard is, once it runs.
    steps: Box<[OnceLock<Steps>]>,
    hasher: SeededState,
    local: Local,
}

impl Monitored for Shards {
    fn unmonitor(self: Arc<Self>, port: &PortName, key: MonitorKey) {
        self.push(Item::new(port.clone(), Op::Unwatch(key)));
    }
}

impl Shards {
    /// `seed` decides which shard runs which port.
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let indices = 0..config.shards.max(1);
        Self {
            queues: indices.clone().map(|_| Queue::default()).collect(),
            steps: indices.map(|_| OnceLock::new()).collect(),
            hasher: SeededState::with_seed(seed),
            local: Local::new(config),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.queues.len()
    }

    /// The index of the shard that runs `port`.
    #[inline]
    pub(crate) fn of(&self, port: &PortName) -> usize {
        // One shard: no hash needed.
        if self.queues.len() == 1 {
            return 0;
        }
        self.hasher.hash_one(port) as usize % self.queues.len()
    }

    #[inline]
    fn queue_of(&self, port: &PortName) -> &Queue {
        &self.queues[self.of(port)]
    }

    pub(crate) fn push(&self, item: Item) {
        guard::dispose(self.try_push(item, None));
    }

    /// Queues `item` at the shard of its port, or at `shard`. Returns the item if the node has stopped: a caller that
    /// holds a lock drops it later, because dropping it may run user code.
    #[must_use]
    pub(crate) fn try_push(&self, item: Item, shard: Option<u32>) -> Option<Item> {
        let shard = shard.map_or_else(|| self.of(&item.port), |shard| shard as usize);
        self.queues[shard].push(item)
    }

    /// Returns the item if the node has stopped.
    #[must_use]
    pub(crate) fn insert(&self, port: PortName, new: NewPort) -> Option<Item> {
        self.try_push(Item::new(port, Op::Insert(Box::new(new))), None)
    }

    /// Delivers a message of a sender of this node.
    #[inline]
    pub(crate) fn deliver(&self, port: &PortName, message: Message) -> Result<(), NoRoom> {
        let queue = self.queue_of(port);
        queue.deliver(port, message, || self.has_room(queue, port))
    }

    /// The same for a message that belongs to a trace.
    #[cold]
    pub(crate) fn deliver_traced(
        &self,
        port: &PortName,
        message: Message,
        context: Box<TraceContext>,
    ) -> Result<(), NoRoom> {
        let queue = self.queue_of(port);
        queue.deliver_traced(port, message, context, || self.has_room(queue, port))
    }

    /// The same for a message that moves as the Rust value that it is, and may belong to a trace.
    #[inline]
    pub(crate) fn deliver_moved<M>(
        &self,
        port: &PortName,
        message: M,
        context: Option<Box<TraceContext>>,
    ) -> Result<(), NoRoom>
    where
        M: IntoMessage + Send + 'static,
    {
        let queue = self.queue_of(port);
        queue.deliver_moved(port, message, context, || self.has_room(queue, port))
    }

    /// Delivers a message whose sender learns nothing: where there is no room for it, its port is killed.
    pub(crate) fn deliver_or_kill(&self, port: &PortName, message: Message) {
        if let Err(NoRoom) = self.deliver(port, message) {
            self.kill_without_room(port);
        }
    }

    pub(crate) fn run(&self, port: PortName, run: Run) {
        self.push(Item::new(port, Op::Run(Box::new(run))));
    }

    pub(crate) fn kill(&self, port: PortName, reason: Reason) {
        self.push(Item::new(port, Op::Kill(Box::new(reason))));
    }

    /// Returns the item if the node has stopped.
    #[must_use]
    pub(crate) fn watch(&self, port: PortName, watcher: Watcher) -> Option<Item> {
        self.try_push(Item::new(port, Op::Watch(Box::new(watcher))), None)
    }

    /// The shard runs, and `steps` says how far it is.
    fn set_steps(&self, shard: usize, steps: Steps) {
        // A shard runs once.
        let _ = self.steps[shard].set(steps);
    }

    pub(crate) fn stats(&self) -> Vec<ShardStats> {
        let shards = self.queues.iter().zip(&self.steps);
        let stats = shards.map(|(queue, steps)| queue.stats(steps.get().map_or(0, Steps::get)));
        stats.collect()
    }

    /// All live ports, sorted by name, after the items that are queued now; empty if the node has stopped.
    pub(crate) async fn ports(&self) -> Vec<PortStats> {
        let mut reports = Vec::new();
        for shard in 0..self.count() {
            let (to, report) = oneshot::channel();
            let item = Item::new(PortName::NODE_PORT, Op::Report(Box::new(to)));
            drop(self.try_push(item, Some(shard as u32)));
            reports.push(report);
        }
        let mut ports = Vec::new();
        for report in reports {
            ports.extend(report.await.unwrap_or_default());
        }
        ports.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        ports
    }

    /// Waits until the shard has processed what is queued for it now. Returns false if the node has stopped, or has no such shard.
    pub(crate) async fn turn(&self, shard: usize) -> bool {
        if shard >= self.count() {
            return false;
        }
        let (to, turn) = oneshot::channel();
        let item = Item::new(PortName::NODE_PORT, Op::Turn(to));
        drop(self.try_push(item, Some(shard as u32)));
        turn.await.is_ok()
    }

    /// Ends the shards after they have processed all queued items.
    pub(crate) fn close(&self) {
        self.queues.iter().for_each(Queue::close);
    }
}

/// A new port, to be sent to its shard.
pub(crate) fn new_port(port: impl ShardPort + 'static) -> NewPort {
    NewPort {
        port: Box::new(port),
        on_end: None,
    }
}

/// Items of one reader, collected for the shards: one lock per shard and batch instead of one per message.
pub(crate) struct Batch {
    shards: Arc<Shards>,
    parts: Box<[Part]>,
    /// The shard of the last message that was found in the connection's buffer.
    last: usize,
    /// The trace of the next message that is found there.
    context: Option<Box<TraceContext>>,
}

/// The part of a batch for one shard.
#[derive(Default)]
struct Part {
    items: Chunk,
    /// Bytes that `items` keep alive, approximately.
    bytes: usize,
    /// Bytes given to the shard before that it has not processed.
    outstanding: Outstanding,
}

impl Batch {
    pub(crate) fn new(shards: Arc<Shards>) -> Self {
        let parts = (0..shards.count()).map(|_| Part::default()).collect();
        Self {
            shards,
            parts,
            last: 0,
            context: None,
        }
    }

    /// Adds an item that keeps about `bytes` bytes alive besides itself.
    pub(crate) fn push(&mut self, item: Item, bytes: usize) {
        let shard = self.shards.of(&item.port);
        let bytes = size_of::<Item>() + item.port.as_str().len() + bytes;
        self.add(shard, bytes, |items| items.push(item));
    }

    /// Adds a message for `port` that was found in the connection's buffer.
    #[inline]
    pub(crate) fn deliver(&mut self, port: &PortName, message: Message) {
        self.last = self.shards.of(port);
        match self.context.take() {
            None => self.add_message(port, message),
            Some(context) => self.add_traced(port, message, context),
        }
    }

    /// Sets the trace of the next message that is found in the connection's buffer. It is taken by that message, or by
    /// [`take_context`](Self::take_context).
    pub(crate) fn set_context(&mut self, context: Box<TraceContext>) {
        self.context = Some(context);
    }

    /// The trace of the message that was found in the connection's buffer.
    pub(crate) fn take_context(&mut self) -> Option<Box<TraceContext>> {
        self.context.take()
    }

    #[cold]
    fn add_traced(&mut self, port: &PortName, message: Message, context: Box<TraceContext>) {
        let bytes = 3 * size_of::<Item>() + port.as_str().len() + cost_of_message(&message);
        let bytes = bytes + context.memory();
        self.add(self.last, bytes, |items| {
            items.enter(port, context);
            items.deliver(port, message);
            items.exit();
        });
    }

    /// Adds a message for `port` that was caused by a request and was not itself found in the buffer.
    pub(crate) fn add_message(&mut self, port: &PortName, message: Message) {
        let bytes = size_of::<Item>() + port.as_str().len() + cost_of_message(&message);
        let shard = self.shards.of(port);
        self.add(shard, bytes, |items| items.deliver(port, message));
    }

    /// Adds a short message that is still in its connection's buffer.
    #[inline]
    pub(crate) fn deliver_incoming(&mut self, message: Incoming<'_>) {
        // With `again` the previous message has the same port: `last` holds its shard. If that port is the node port, the
        // message does not come here.
        if !Prefix::of(&message).again {
            self.last = self.shards.of(message.port());
        }
        if let Some(context) = self.context.take() {
            return self.add_traced(message.port(), message.to_message(), context);
        }
        let bytes = size_of::<Item>() + size_of::<Message>() + message.bytes().len();
        self.add(self.last, bytes, |items| items.incoming(message));
    }

    #[inline]
    fn add(&mut self, shard: usize, bytes: usize, add: impl FnOnce(&mut Chunk)) {
        let part = &mut self.parts[shard];
        part.bytes += bytes;
        add(&mut part.items);
        if part.items.is_full() {
            // The shard can begin before the batch is complete.
            part.flush(&self.shards.queues[shard]);
        }
    }

    /// Moves all items to the queues of the shards.
    pub(crate) fn flush(&mut self) {
        for (queue, part) in self.shards.queues.iter().zip(&mut self.parts) {
            part.flush(queue);
        }
    }

    /// Waits until the shards have processed enough of the items of this reader, so that a fast sender is slowed by the
    /// transport (backpressure) and does not fill the memory of this node. Each reader waits for its own items only. If
    /// it has to wait, calls `parked` with true before and with false after.
    pub(crate) async fn ready(&mut self, parked: impl Fn(bool)) {
        // Takes `&mut self`: items are `Send` but not `Sync`.
        let mut parts = self.shards.queues.iter().zip(&mut self.parts);
        if parts.all(|(queue, part)| queue.is_ready(&mut part.outstanding)) {
            return;
        }
        parked(true);
        for (queue, part) in self.shards.queues.iter().zip(&mut self.parts) {
            queue.ready(&mut part.outstanding).await;
        }
        parked(false);
    }
}

impl Part {
    fn flush(&mut self, queue: &Queue) {
        if !self.items.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            if let Some(end) = queue.append(&mut self.items, bytes) {
                self.outstanding.add(bytes, end);
            }
        }
    }
}
