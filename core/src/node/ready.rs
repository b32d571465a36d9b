//! How a fast sender waits for those who take its messages.

use super::LocalNode;
use crate::PortId;
use crate::error::Stopped;
use crate::port::ToPort;
use crate::runtime::wait_until;

impl LocalNode {
    /// Waits until what `target` has still to take is below the high-water mark
    /// ([`Config::high_water`](crate::Config::high_water)). A fast producer awaits this between sends, so that it is slowed
    /// down (backpressure) before a limit is reached.
    ///
    /// | `target` | waits for |
    /// | --- | --- |
    /// | another node, or a port of it | the queue for that node |
    /// | this node | the queues of all its ports |
    /// | a port of this node | the queue of the shard that runs it |
    /// | the port of an inbox of this node | that, and half of the inbox's bounds, if that is less than the mark |
    ///
    /// Nothing is reserved by it: several producers may find the same room. A text that is no port ID is logged and counted, and waits for nothing.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode, store: aemp::PortId, rows: Vec<u64>) -> aemp::Result<()> {
    /// for row in rows {
    ///     node.send(&store, ("row", row));
    ///     node.ready(&store).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If this node is stopping or has stopped: what is sent is dropped.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn ready(&self, target: impl ToPort) -> Result<(), Stopped> {
        let stop = &self.inner().life.stop;
        if let Ok(target) = self.inner().with_port(target, PortId::clone) {
            tokio::select! {
                // A queue with room is the ordinary case, and needs no place in the list of those who await the stop.
                biased;
                () = self.has_room(&target) => {}
                () = stop.cancelled() => {}
            }
        }
        match stop.is_cancelled() {
            true => Err(Stopped),
            false => Ok(()),
        }
    }

    async fn has_room(&self, target: &PortId) {
        let node = self.inner();
        let port = target.port();
        if target.node() != self.id() {
            let high_water = node.config.high_water;
            node.network.peer(target.node()).ready(high_water).await;
        } else if port.is_node_port() {
            node.shards.ready().await;
        } else {
            node.shards.ready_for(port).await;
            if let Some(inbox) = node.inboxes.get(port) {
                if inbox.is_small(node.shards.high_water()) {
                    // What was sent is in it then, and not in the queue of its shard, which may hold more than it.
                    node.shards.turn(node.shards.of(port)).await;
                }
                wait_until(inbox.lowered(), || inbox.has_room()).await;
            }
        }
    }
}
