//! `Network`: the state that all peers of a node share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Generation, Peer, Peers, Pool, Wait};
use crate::lifecycle::Lifecycle;
use crate::monitor::Action;
use crate::shard::Shards;
use crate::traffic::{NodeEvent, Taps};
use crate::{Config, LogAllowance, NodeId, PortName, Reason};

/// The state that all peers of a node share.
pub(crate) struct Network {
    /// This node.
    pub(crate) id: NodeId,
    pub(crate) config: Arc<Config>,
    pub(crate) life: Arc<Lifecycle>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) host: Weak<dyn Host>,
    pub(super) peers: Peers,
    /// The bytes held for all peers.
    pub(super) pool: Arc<Pool>,
    /// Permits for ports that peers spawn.
    pub(super) spawned: Arc<Semaphore>,
    pub(crate) taps: Arc<Taps>,
    pub(crate) logs: Logs,
    /// The number of connections that have come up; the generation of the last one.
    generations: AtomicU64,
}

/// The operations of the node that a peer calls.
pub(crate) trait Host: Send + Sync {
    /// Queues a fired action for its owner. Called under a peer's lock: it may lock only queues of shards.
    fn fire(self: Arc<Self>, watched: &PortName, action: Action, reason: Reason);

    /// Sends `event` to all event listeners.
    fn event(&self, event: NodeEvent);

    /// Connects to `peer`, or fails the messages that wait as `wait`.
    fn connect(self: Arc<Self>, peer: Arc<Peer>, wait: Wait);
}

/// Log allowances for lines that others cause, in addition to the allowance of each peer.
pub(crate) struct Logs {
    /// Connections that are not authenticated, and errors of listeners caused by them.
    pub(crate) strangers: LogAllowance,
    /// All members together, because one member can use many names.
    pub(crate) members: LogAllowance,
}

impl Default for Logs {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            strangers: LogAllowance::new("strangers", 50, second),
            members: LogAllowance::new("members", 500, second / 10),
        }
    }
}

/// A semaphore with `count` permits, or the most that tokio allows.
pub(crate) fn semaphore(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}

impl Network {
    pub(crate) fn new(
        id: NodeId,
        config: Arc<Config>,
        life: Arc<Lifecycle>,
        shards: Arc<Shards>,
        host: Weak<dyn Host>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            life,
            shards,
            host,
            peers: Peers::default(),
            pool: Arc::new(Pool::new(config.peers_limit)),
            spawned: semaphore(config.spawned_ports),
            taps: Arc::default(),
            logs: Logs::default(),
            generations: AtomicU64::new(0),
            config,
        })
    }

    /// The peer `id`, created if it is not known.
    pub(crate) fn peer(self: &Arc<Self>, id: &NodeId) -> Arc<Peer> {
        self.peers.get_or_add(id, || Peer::new(self, id.clone()))
    }

    pub(crate) fn known_peer(&self, id: &NodeId) -> Option<Arc<Peer>> {
        self.peers.get(id)
    }

    /// All peers, sorted by ID.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.all()
    }

    /// The generation of a new connection.
    pub(super) fn next_generation(&self) -> Generation {
        1 + self.generations.fetch_add(1, Ordering::Relaxed)
    }

    /// Drops all peers and closes the taps, after the node has stopped.
    pub(crate) fn clear(&self) {
        self.peers.clear();
        self.taps.close();
    }
}
