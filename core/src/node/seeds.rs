//! Whom a node connects to: its seeds, and the addresses of others.

use super::LocalNode;
use crate::error::SeedError;
use crate::link::{self, SeedInfo};
use crate::{Address, NodeId};

impl LocalNode {
    /// Sets the addresses of `node`, best first, so that sending to it connects on demand. Replaces earlier addresses.
    /// The address of the last connection is still tried first.
    #[doc(alias = "add_peer")]
    pub fn set_peer_addresses(&self, node: &NodeId, addresses: impl IntoIterator<Item = Address>) {
        self.inner()
            .network
            .peer(node)
            .set_addresses(addresses.into_iter().collect());
    }

    /// Adds a seed: keeps a connection to `address`, whichever node answers there. The backoff between attempts doubles
    /// from 1.2 s to `monitor_timeout`. A host name is resolved again at each attempt. Returns false if it is a seed
    /// already.
    #[doc(alias = "seeds")]
    pub fn add_seed(&self, address: Address) -> bool {
        link::add_seed(&self.inner().links, address)
    }

    /// Removes a seed: makes no more attempts to connect to `address`. Returns false if it is not a seed.
    ///
    /// An open connection stays, since the peer may be using it, and losing it would fire monitors. From now on it is an
    /// ordinary connection, and is not restored when it ends.
    pub fn remove_seed(&self, address: &Address) -> bool {
        link::remove_seed(&self.inner().links, address)
    }

    /// The seeds of this node and their states, in the order in which they were added.
    pub fn seeds(&self) -> Vec<SeedInfo> {
        let seeds = self.inner().links.seeds();
        seeds.iter().map(|seed| seed.info()).collect()
    }

    /// Waits until the node is connected to one of its seeds. Returns at once for a node without seeds.
    ///
    /// As long as no seed was reached, it returns as well when the node has failed to connect to each of them. Called again, it waits
    /// for the next attempts, so a loop tells each failure once; after a connection that was lost it waits for the next success, or
    /// until a seed refuses this node.
    ///
    /// ```no_run
    /// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
    /// use aemp::ConnectError;
    /// use aemp::error::Report;
    ///
    /// while let Err(error) = node.joined().await {
    ///     if matches!(*error.error, ConnectError::Stopped) {
    ///         return Err(error.into());
    ///     }
    ///     eprintln!("{}", Report(&error)); // Until it has joined.
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The failure at the last of the seeds. The node continues to try, unless it has stopped: [`ConnectError::Stopped`].
    ///
    /// [`ConnectError::Stopped`]: crate::ConnectError::Stopped
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait.
    pub async fn joined(&self) -> Result<(), SeedError> {
        let joined = link::joined(&self.inner().links).await;
        joined.map_err(|(address, error)| SeedError {
            node: self.inner().id.as_str().into(),
            address,
            error: error.into(),
        })
    }
}
