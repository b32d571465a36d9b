//! Statistics of shards and ports.

use crate::PortName;

/// Statistics of a shard, a task that runs ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardStats {
    /// Operations done so far: messages, kills, monitor requests and callbacks. Up to 256 of them, which the task takes together,
    /// are counted when the last is done.
    pub processed: u64,
    /// Changes with each operation that the task begins, and says nothing by its value: a shard whose `steps` stay as they are
    /// while others wait is held up by one operation.
    pub steps: u64,
    /// Operations that wait in the queue, without those that the task has already taken.
    pub queued: usize,
    /// Bytes of messages from peers that were read and not processed.
    pub backlog: usize,
    /// Bytes of messages from this node's own senders that are not processed, approximately: of a typed message its size
    /// without what it points to, and without the last 256 messages that the task has taken.
    pub local_backlog: usize,
}

/// Statistics of a live port, from [`ports`](crate::LocalNode::ports).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortStats {
    /// Its name on this node; empty for the node port.
    pub name: PortName,
    /// Messages received so far.
    pub messages: u64,
    /// Messages that wait in it, if it is an inbox.
    pub queued: usize,
    /// Messages that it has not handled and that were only counted ([`Unhandled`](crate::Unhandled)).
    pub unhandled: u64,
    /// Monitors on it, those of peers included.
    pub watchers: usize,
    /// Tasks and timers that it owns and that have not ended.
    pub tasks: usize,
    /// Monitors that it has set.
    pub monitors: usize,
}
