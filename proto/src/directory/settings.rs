//! `Settings`: the limits of a directory machine, and the message sizes that follow from them.

use std::time::Duration;

use super::limits::DirectoryLimits;

/// The settings of a [`Machine`](super::Machine).
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much peers can hold and watch.
    pub limits: DirectoryLimits,
    /// The longest pause between attempts to connect to a global node.
    pub monitor_timeout: Duration,
    /// The largest message that this node accepts, in bytes. It sends no larger ones.
    pub message_size: usize,
}

impl Settings {
    /// Approximate bytes after which a message gets no more entries. The largest entry still fits after them.
    pub(super) fn max_batch(&self) -> usize {
        MAX_BATCH.min(self.message_size / 4)
    }

    /// The same for an update. It is smaller, because updates for all receivers are queued at once and their sum counts
    /// towards `peers_limit`.
    pub(super) fn max_update(&self) -> usize {
        MAX_UPDATE.min(self.max_batch())
    }

    /// The largest answer to a query, in bytes.
    pub(super) fn max_reply(&self) -> usize {
        self.message_size / 2
    }

    /// Dirty keys kept for one receiver. Twice the keys of a peer: one slave can set all its keys again.
    pub(super) fn max_dirty_keys(&self) -> usize {
        self.limits.keys.saturating_mul(2)
    }

    /// The largest entry, in bytes.
    pub(super) fn max_entry(&self) -> usize {
        self.limits.entry.min(self.max_batch())
    }
}

/// Upper bounds of `max_batch` and `max_update`, in bytes.
const MAX_BATCH: usize = 4 << 20;
const MAX_UPDATE: usize = 256 << 10;
