//! How much of what this node's own senders send waits for its ports: the wait until it is less, and the limit past which
//! a port that misses a message is killed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::Shards;
use super::queue::Queue;
use crate::allowance::log_within;
use crate::config::Config;
use crate::runtime::wait_until;
use crate::{Excerpt, LogAllowance, PortName};

/// There is no room for a message ([`Config::local_limit`]).
#[derive(Debug)]
#[must_use]
pub(crate) struct NoRoom;

/// Whether there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    None,
    /// For this message, although there is none for others.
    ForThis,
    Some,
}

/// What the shards of a node share about messages of its own senders.
pub(super) struct Local {
    /// [`Config::local_limit`]
    limit: usize,
    /// [`Config::high_water`], but no more than half of the limit.
    high_water: usize,
    /// Notified when less than the high-water mark waits for all ports.
    lowered: Notify,
    /// Messages that found no room.
    refused: AtomicU64,
    log: LogAllowance,
}

impl Local {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            limit: config.local_limit,
            high_water: config.high_water.min(config.local_limit / 2).max(1),
            lowered: Notify::new(),
            refused: AtomicU64::new(0),
            log: LogAllowance::new("full queues", 50, Duration::from_secs(1)),
        }
    }
}

impl Shards {
    /// Whether a message may begin another chunk of `queue`. Where the limit of the node is reached, not if that queue holds
    /// at least half of its share: a shard that is stuck does not keep messages from the others.
    #[cold]
    pub(super) fn has_room(&self, queue: &Queue, port: &PortName) -> Room {
        if self.local() < self.local.limit || queue.local() < self.local.limit / (2 * self.count())
        {
            return Room::Some;
        }
        if port.is_node_port() {
            // A node port cannot be killed, so nothing for it may be missed.
            return Room::ForThis;
        }
        self.local.refused.fetch_add(1, Ordering::Relaxed);
        Room::None
    }

    /// The bytes that wait for the ports of a shard when [`ready`](Self::ready_for) begins to wait.
    pub(crate) fn high_water(&self) -> usize {
        self.local.high_water
    }

    /// A message for `port` found no room: the port is killed, so that its monitors fire.
    #[cold]
    pub(crate) fn kill_without_room(&self, port: &PortName) {
        if self.queue_of(port).kill_without_room(port) {
            let limit = self.local.limit;
            log_within!(self.local.log, WARN, target: "aemp::port", port = %Excerpt(port), limit, "too much waits for the ports of this node: a port that misses a message is killed");
        }
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
            self.queues[index].local_done(bytes, self.local.high_water);
            if self.local() < self.local.high_water {
                self.local.lowered.notify_waiters();
            }
        }
    }

    /// Waits until less than the high-water mark waits for the ports of this node.
    pub(crate) async fn ready(&self) {
        let local = &self.local;
        wait_until(&local.lowered, || self.local() < local.high_water).await;
    }

    /// Waits until less than the high-water mark waits for the ports of the shard that runs `port`.
    pub(crate) async fn ready_for(&self, port: &PortName) {
        let (queue, high_water) = (self.queue_of(port), self.local.high_water);
        wait_until(queue.lowered(), || queue.local() < high_water).await;
    }
}
