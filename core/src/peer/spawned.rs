//! `SpawnPlace`: the place of a port that a peer has spawned, among its own and those of all peers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Network, Peer, room_for};

/// Room for ports that one peer has spawned here.
pub(super) struct Spawned {
    room: Arc<Semaphore>,
    limit: usize,
}

pub(crate) struct SpawnPlace {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Spawned {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            room: room_for(limit),
            limit,
        }
    }

    pub(super) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.room) == 1
    }
}

impl Peer {
    /// A place for a port that the peer wants to have spawned here.
    ///
    /// # Errors
    /// The limit that there is no room within.
    pub(crate) fn spawn_place(&self, network: &Network) -> Result<SpawnPlace, String> {
        let Spawned { room, limit } = &self.spawned;
        let own = room.clone().try_acquire_owned();
        let own = own.map_err(|_| format!("{limit} of this peer live (peer_ports)"))?;
        let of_all = network.spawned.clone().try_acquire_owned();
        let of_all = of_all.map_err(|_| {
            let limit = network.config.spawned_ports;
            format!("{limit} of all peers live (spawned_ports)")
        })?;
        Ok(SpawnPlace {
            _own: own,
            _of_all: of_all,
        })
    }
}
