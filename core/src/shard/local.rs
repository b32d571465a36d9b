//! How much of what this node's own senders send waits for its ports: the wait until it is less, and the limit past which
//! a port that misses a message is killed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::Shards;
use super::queue::Queue;
use crate::PortName;
use crate::runtime::wait_until;

/// What the shards of a node share about messages of its own senders.
#[derive(Default)]
pub(super) struct Local {
    /// [`Config::local_limit`](crate::Config::local_limit)
    limit: usize,
    /// Notified when a shard has processed some of them.
    progress: Notify,
    /// Messages that found no room.
    refused: AtomicU64,
}

impl Local {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

impl Shards {
    /// Whether a message may begin another chunk of `queue`. Where the limit of the node is reached, not if that queue holds
    /// at least half of its share: a shard that is stuck does not keep messages from the others.
    #[cold]
    pub(super) fn has_room(&self, queue: &Queue, port: &PortName) -> bool {
        // A node port cannot be killed, so nothing for it may be missed.
        port.is_node_port()
            || self.local() < self.local.limit
            || queue.local() < self.local.limit / (2 * self.count())
    }

    /// A message for `port` found no room: the port is killed, so that its monitors fire.
    #[cold]
    pub(super) fn kill_without_room(&self, queue: &Queue, port: &PortName) {
        self.local.refused.fetch_add(1, Ordering::Relaxed);
        queue.kill_without_room(port);
    }

    /// Messages that found no room so far.
    pub(crate) fn refused(&self) -> u64 {
        self.local.refused.load(Ordering::Relaxed)
    }

    /// Bytes of messages of this node's senders that wait in all queues, but for the last 256 messages of each.
    fn local(&self) -> usize {
        self.queues.iter().map(Queue::local).sum()
    }

    /// The shard `index` has processed a chunk for which senders of this node have counted `bytes`.
    pub(super) fn local_done(&self, index: usize, bytes: usize) {
        if bytes > 0 {
            self.queues[index].local_done(bytes);
            self.local.progress.notify_waiters();
        }
    }

    /// Waits until fewer than `high_water` bytes wait for the ports of this node.
    pub(crate) async fn ready(&self, high_water: usize) {
        wait_until(&self.local.progress, || self.local() < high_water).await;
    }

    /// Waits until fewer than `high_water` bytes wait for the ports of the shard that runs `port`.
    pub(crate) async fn ready_for(&self, port: &PortName, high_water: usize) {
        let queue = self.queue_of(port);
        wait_until(&self.local.progress, || queue.local() < high_water).await;
    }
}
