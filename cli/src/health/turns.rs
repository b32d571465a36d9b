//! `Turns`: whether the shards of a node get anything done.
//!
//! Each shard is asked for a turn in intervals, by one request at a time. Its state is counted in intervals and not taken from
//! the clock, so that a machine that was suspended finds no shard late.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aemp::LocalNode;
use aemp::error::Stopped;
use aemp::stats::ShardStats;
use tokio::time::{sleep, timeout};

/// How long a shard is left alone between two turns, and how often one that does not turn is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// So many intervals may pass in which a shard gets nothing done.
const LIMIT: u32 = 10;

/// The shards of one node. Each is written by the task that follows it, and read by whoever asks.
pub(super) struct Turns {
    /// The intervals that have passed since each shard got something done.
    idle: Box<[AtomicU32]>,
    interval: Duration,
    has_stopped: AtomicBool,
}

impl Turns {
    pub(super) fn new(shards: usize, interval: Duration) -> Self {
        Self {
            interval,
            idle: (0..shards).map(|_| AtomicU32::new(0)).collect(),
            has_stopped: AtomicBool::new(false),
        }
    }

    /// How many shards there are.
    pub(super) fn count(&self) -> usize {
        self.idle.len()
    }

    /// Whether the node has stopped.
    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Ordering::Relaxed)
    }

    /// Follows one shard until the node has stopped.
    pub(super) async fn follow(&self, node: &LocalNode, shard: usize) {
        while self.wait(node, shard).await.is_ok() {
            sleep(self.interval).await;
        }
        self.has_stopped.store(true, Ordering::Relaxed);
    }

    /// Waits until the shard turns. Each message that it begins meanwhile counts as well: a long queue is no failure, and neither
    /// are messages that take long.
    async fn wait(&self, node: &LocalNode, shard: usize) -> Result<(), Stopped> {
        let idle = &self.idle[shard];
        let steps = || node.stats().shards.get(shard).map(|shard| shard.steps);
        let mut turn = pin!(node.shard_turn(shard));
        let mut before = None;
        loop {
            let Ok(turned) = timeout(self.interval, turn.as_mut()).await else {
                let now = steps();
                match now == before {
                    true => idle.fetch_add(1, Ordering::Relaxed),
                    false => idle.swap(0, Ordering::Relaxed),
                };
                before = now;
                continue;
            };
            idle.store(0, Ordering::Relaxed);
            return turned;
        }
    }

    /// What is found of the shards. Their statistics are read only if one gets nothing done.
    pub(super) fn check(&self, stats: impl FnOnce() -> Vec<ShardStats>) -> Result<String, String> {
        let idle = self.idle.iter().map(|idle| idle.load(Ordering::Relaxed));
        let late: Vec<(usize, u32)> = idle
            .enumerate()
            .filter(|(_, idle)| *idle >= LIMIT)
            .collect();
        if late.is_empty() {
            return Ok(format!("all {} turn", self.count()));
        }
        let stats = stats();
        let late = late.into_iter().map(|(shard, idle)| {
            let queued = stats.get(shard).map_or(0, |stats| stats.queued);
            let time = self.interval * idle;
            format!("shard {shard} has done nothing for {time:?}, and {queued} operations wait")
        });
        let late: Vec<String> = late.collect();
        Err(format!(
            "{}: a handler blocks, which the log names",
            late.join("; ")
        ))
    }
}
