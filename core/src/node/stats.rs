//! What a node knows of its own work: numbers to look at after a failure, or all the time.

use crate::shard::ShardStats;
use crate::traffic::LinkStats;

/// The state of a node at one moment, from [`stats`](crate::LocalNode::stats).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeStats {
    /// The connections that are up, by peer.
    pub links: Vec<LinkStats>,
    /// The tasks that run the ports.
    pub shards: Vec<ShardStats>,
}
