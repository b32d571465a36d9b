//! What a [`LocalNode`] tells of itself: addresses, connections, statistics, events and taps.

#[cfg(feature = "metrics")]
use std::time::Duration;

use super::{LocalNode, NodeStats};
use crate::Address;
use crate::error::Stopped;
use crate::shard::PortStats;
use crate::traffic::{ConnectionInfo, NodeEvents, Tap, TapConfig};

impl LocalNode {
    /// The addresses at which others reach this node, best first: in the order of the binds, and for each bind in the
    /// order of its transport; but link-local addresses after all others, and loopback addresses last. Other nodes learn
    /// them, unless the node advertises others ([`advertise`](crate::NodeBuilder::advertise)).
    #[doc(alias = "binds")]
    pub fn addresses(&self) -> Vec<Address> {
        self.inner().addresses()
    }

    /// The connections that are up, sorted by peer.
    #[doc(alias = "links")]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.inner()
            .network
            .peers()
            .iter()
            .filter_map(|peer| peer.link())
            .collect()
    }

    /// Statistics of the node: traffic, queues and liveness of its connections, work of its shards.
    ///
    /// # Panics
    /// Within the `Serialize` of a message to another node, and in a codec: both run under the lock of a connection.
    pub fn stats(&self) -> NodeStats {
        self.inner().stats()
    }

    /// All live ports of this node, sorted by name, including those of calls and inboxes. Messages sent before are
    /// processed first. The list has an entry for each port: do not request it every second from a node with a million
    /// ports.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait.
    pub async fn ports(&self) -> Vec<PortStats> {
        self.inner().shards.ports().await
    }

    /// Waits until the shard with the index `shard` of [`NodeStats::shards`] has processed what is queued for it now. One that
    /// does not come to that is blocked by a handler, or has more to do than it gets done: then `steps` in its statistics change
    /// with each message. `processed` is no such sign, as it grows when up to 256 messages are done.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> aemp::Result<()> {
    /// use std::time::Duration;
    ///
    /// let node = aemp::node().id("shop").start().await?;
    /// for shard in 0..node.stats().shards.len() {
    ///     let turn = tokio::time::timeout(Duration::from_secs(10), node.shard_turn(shard));
    ///     assert!(turn.await.is_ok(), "shard {shard} is blocked, or very busy");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the node has stopped, or has no such shard.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait.
    pub async fn shard_turn(&self, shard: usize) -> Result<(), Stopped> {
        match self.inner().shards.turn(shard).await {
            true => Ok(()),
            false => Err(Stopped),
        }
    }

    /// Copies [`stats`](Self::stats) to the recorder of the `metrics` facade every `period`, until the node stops. Names
    /// begin with `aemp_`; links are labelled with `node` and `peer`, shards with `node` and `shard`.
    #[cfg(feature = "metrics")]
    pub fn export_metrics(&self, period: Duration) {
        let export = super::metrics::export(self.inner().clone(), period);
        self.inner().life.spawn(export);
    }

    /// The events of peers that come up and go down from now on.
    pub fn events(&self) -> NodeEvents {
        NodeEvents(self.inner().subscribe())
    }

    /// Copies the messages that cross the node's links from now on, in both directions, and reports the links that are
    /// up, come up and go down. Links never wait for the reader of the tap: messages that do not fit are counted and
    /// left out. Messages between ports of this node cross no link. Without a tap the cost is a check of one flag per
    /// message.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) {
    /// use aemp::tap::{Direction, TapConfig, Tapped};
    /// let mut tap = node.tap(TapConfig::new().matching("worker#jobs").rate(100));
    /// while let Some(tapped) = tap.recv().await {
    ///     if let Tapped::Message(message) = tapped {
    ///         let to = if message.direction == Direction::Sent { "to" } else { "from" };
    ///         println!("{} bytes, {to} {}", message.len, message.peer);
    ///     }
    /// }
    /// # }
    /// ```
    pub fn tap(&self, options: TapConfig) -> Tap {
        let first = || self.connections();
        let node = (&self.inner().id, &self.inner().life.runtime);
        Tap::start(&self.inner().network.taps, node, options, first)
    }
}
