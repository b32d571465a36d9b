//! `Network`: what a node shares among its peers.

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

/// What a node shares among its peers.
pub(crate) struct Network {
    /// This node.
    pub(crate) id: NodeId,
    pub(crate) config: Arc<Config>,
    pub(crate) life: Arc<Lifecycle>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) host: Weak<dyn Host>,
    pub(super) peers: Peers,
    /// What is held for all peers.
    pub(super) pool: Arc<Pool>,
    /// Room for ports that peers spawn.
    pub(super) spawned: Arc<Semaphore>,
    pub(crate) taps: Arc<Taps>,
    pub(crate) logs: Logs,
    /// How many connections have come up.
    generations: AtomicU64,
}

/// What a peer has its node do.
pub(crate) trait Host: Send + Sync {
    /// Puts a fired action where its owner will meet it. Called under a peer's lock: it locks queues of shards alone.
    fn fire(self: Arc<Self>, watched: &PortName, action: Action, reason: Reason);

    /// Tells those who listen for events.
    fn event(&self, event: NodeEvent);

    /// Connects to `peer`, for which messages wait as `wait`, or lets them fail.
    fn connect(self: Arc<Self>, peer: Arc<Peer>, wait: Wait);
}

/// How much of the log may be about others, apart from what each peer may cause by itself.
pub(crate) struct Logs {
    /// Connections that are not authenticated, and what they make the listeners say.
    pub(crate) strangers: LogAllowance,
    /// All members together, as one can come under many names.
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

/// Room for so many.
pub(crate) fn room_for(count: usize) -> Arc<Semaphore> {
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
            spawned: room_for(config.spawned_ports),
            taps: Arc::default(),
            logs: Logs::default(),
            generations: AtomicU64::new(0),
            config,
        })
    }

    /// The peer called `id`, made if it is new.
    pub(crate) fn peer(self: &Arc<Self>, id: &NodeId) -> Arc<Peer> {
        self.peers.get_or_add(id, || Peer::new(self, id.clone()))
    }

    pub(crate) fn known_peer(&self, id: &NodeId) -> Option<Arc<Peer>> {
        self.peers.get(id)
    }

    /// All peers, by ID.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.all()
    }

    /// The number of a connection that comes up now.
    pub(super) fn next_generation(&self) -> Generation {
        1 + self.generations.fetch_add(1, Ordering::Relaxed)
    }

    /// The node has stopped: forgets its peers, and who follows what crosses their connections.
    pub(crate) fn clear(&self) {
        self.peers.clear();
        self.taps.close();
    }
}
