//! `NodeStats`: the statistics of a node.

use crate::shard::ShardStats;
use crate::traffic::ConnectionStats;

/// A snapshot of a node's statistics, from [`stats`](crate::LocalNode::stats).
///
/// ```
/// # fn example(node: aemp::LocalNode) {
/// let stats = node.stats();
/// let queued: usize = stats.connections.iter().map(|connection| connection.queued).sum();
/// let waiting: usize = stats.shards.iter().map(|shard| shard.queued).sum();
/// println!("{queued} bytes wait for peers, {waiting} messages for ports here");
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeStats {
    /// The connections that are up, sorted by peer.
    pub connections: Vec<ConnectionStats>,
    /// The tasks that run the ports.
    pub shards: Vec<ShardStats>,
    /// Connections from others that did not come up, for whatever reason: no proof, the policy, a limit, the deadline. The
    /// log has the reason of each, within its limits.
    pub refused_connections: u64,
    /// Messages, kills and monitors so far whose port was given as a text that is not a port ID; see
    /// [`ToPort`](crate::ToPort).
    pub misaddressed: u64,
    /// Messages so far of this node's own senders that found no room ([`Config::local_limit`](crate::Config::local_limit)):
    /// sends have killed the ports that they were for, `try_send` and calls were errors.
    pub local_refused: u64,
}
