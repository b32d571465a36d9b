//! `SpawnPermit`: the permit of a port that a peer has spawned, within the limits of this peer and of all peers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Network, Peer, semaphore};

/// The permits for ports that one peer spawns on this node.
pub(super) struct Spawned {
    permits: Arc<Semaphore>,
    limit: usize,
}

pub(crate) struct SpawnPermit {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Spawned {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            permits: semaphore(limit),
            limit,
        }
    }

    pub(super) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.permits) == 1
    }
}

impl Peer {
    /// A permit for a port that the peer spawns on this node.
    ///
    /// # Errors
    /// The text names the limit that is reached.
    pub(crate) fn spawn_permit(&self, network: &Network) -> Result<SpawnPermit, String> {
        let Spawned { permits, limit } = &self.spawned;
        let own = permits.clone().try_acquire_owned();
        let own = own.map_err(|_| format!("{limit} of this peer live (peer_ports)"))?;
        let of_all = network.spawned.clone().try_acquire_owned();
        let of_all = of_all.map_err(|_| {
            let limit = network.config.spawned_ports;
            format!("{limit} of all peers live (spawned_ports)")
        })?;
        Ok(SpawnPermit {
            _own: own,
            _of_all: of_all,
        })
    }
}
