//! `Settings`: what the directory is told once, and the sizes of messages that follow from it.

use std::time::Duration;

use super::limits::DirectoryLimits;

/// What the directory is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much peers may hold and watch.
    pub limits: DirectoryLimits,
    /// The longest pause between attempts at a global node.
    pub monitor_timeout: Duration,
    /// The largest message that this node takes, and so the largest that it sends.
    pub message_size: usize,
}

impl Settings {
    /// Bytes after which a message is full, about. Then there is room for the largest entry as well.
    pub(super) fn full(&self) -> usize {
        FULL.min(self.message_size / 4)
    }

    /// The same for a change, of which many are told at once: together they are to hold no more than each may anyway
    /// (`peers_limit`).
    pub(super) fn full_change(&self) -> usize {
        FULL_CHANGE.min(self.full())
    }

    /// Bytes of an answer to a query that fit into a message.
    pub(super) fn largest_reply(&self) -> usize {
        self.message_size / 2
    }

    /// Keys that are marked for one receiver: one slave may write all that it holds anew.
    pub(super) fn most_marks(&self) -> usize {
        self.limits.keys.saturating_mul(2)
    }

    /// The largest entry.
    pub(super) fn largest_entry(&self) -> usize {
        self.limits.entry.min(self.full())
    }
}

/// Bytes after which a message is full, if it may be as large.
const FULL: usize = 4 << 20;
const FULL_CHANGE: usize = 256 << 10;
