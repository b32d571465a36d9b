//! What shards and ports have done so far.

use crate::PortName;

/// A task that runs ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardStats {
    /// What was done so far: messages, kills, monitor requests and callbacks.
    pub done: u64,
    /// What waits to be done, but for what the task has just taken.
    pub queued: usize,
    /// Bytes from peers that were read and not worked off.
    pub backlog: usize,
}

/// A port that lives, from [`ports`](crate::LocalNode::ports).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortStats {
    /// Its name on this node; empty for the node port.
    pub name: PortName,
    /// How many messages it has had.
    pub messages: u64,
    /// How many of them wait in it, where it is an inbox.
    pub queued: usize,
    /// How many monitors stand on it, those of peers included.
    pub watchers: usize,
    /// How many tasks and timers of its own are at work.
    pub tasks: usize,
    /// How many monitors it has set itself.
    pub monitors: usize,
}
