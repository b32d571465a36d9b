//! `NodeStats`: the statistics of a node.

use crate::shard::ShardStats;
use crate::traffic::LinkStats;

/// A snapshot of a node's statistics, from [`stats`](crate::LocalNode::stats).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeStats {
    /// The connections that are up, sorted by peer.
    pub links: Vec<LinkStats>,
    /// The tasks that run the ports.
    pub shards: Vec<ShardStats>,
}
