//! `Links`: the state that all connections of a node share, also those that are being opened.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use super::open::settings;
use super::{Backlog, DeferredRequests, Nonces, Seed, Seeds, cleartext_limiter};
use crate::codec::Codecs;
use crate::entropy::Entropy;
use crate::handshake::{Secret, Settings};
use crate::peer::{Generation, Network, Peer, semaphore};
use crate::policy::{Action, Policy};
use crate::rate_limiter::RateLimiter;
use crate::shard::Batch;
use crate::transport::{Secure, SocketConfig, Transports};
use crate::{Address, ConnectionInfo, Message, NodeId, Text, guard};

/// The state that all connections of a node share.
pub(crate) struct Links {
    pub(crate) network: Arc<Network>,
    pub(super) host: Weak<dyn Host>,
    /// The handshake settings of every opening.
    pub(super) settings: Arc<Settings>,
    pub(super) codecs: Codecs,
    pub(crate) transports: Transports,
    /// Encrypts connections, if this node has a certificate.
    pub(super) tls: Option<Arc<dyn Secure>>,
    /// The options for the transports.
    pub(crate) options: SocketConfig,
    pub(super) dial_policy: DialPolicy,
    /// Decides what peers may do.
    policy: Arc<dyn Policy>,
    /// Permits for dials to addresses that other nodes have published.
    pub(super) dials: Semaphore,
    /// Permits for accepted connections.
    pub(super) accepted: Arc<Semaphore>,
    /// Permits for nodes that this node is connecting to.
    pub(super) connecting: Arc<Semaphore>,
    pub(crate) entropy: Entropy,
    pub(super) backlog: Backlog,
    pub(super) nonces: Nonces,
    pub(super) cleartext: RateLimiter,
    /// Connections from others that were refused.
    pub(crate) refused: AtomicU64,
    pub(super) seeds: Seeds,
    /// Notified when a seed is connected, added or removed, or an attempt fails.
    pub(crate) seeds_changed: Notify,
}

/// Decides whether an address that another node has published may be dialled.
pub(crate) type DialPolicy = Box<dyn Fn(&Address) -> bool + Send + Sync>;

/// The operations of the node that a connection calls.
#[async_trait]
pub(crate) trait Host: Send + Sync {
    /// A connection to `peer` is up. Called before the first message is read.
    fn up(self: Arc<Self>, peer: &Peer, generation: Generation, is_perl: bool);

    /// The connection is lost. Nothing more is read from it.
    fn down(self: Arc<Self>, peer: &NodeId, generation: Generation);

    /// Handles a request that came over the connection. Its effects on ports are added to `batch`, after the earlier
    /// messages. A request that cannot be answered yet is put into `deferred`, if that is given.
    ///
    /// # Errors
    /// The reason for which the connection has to be closed.
    fn request(
        self: Arc<Self>,
        from: (&Arc<Peer>, &ConnectionInfo),
        request: Message,
        batch: &mut Batch,
        deferred: Option<&mut DeferredRequests>,
    ) -> Result<(), String>;

    /// Whether the directory still processes requests of `peer`.
    fn is_behind(&self, peer: &NodeId) -> bool;

    /// Waits until the directory has processed them, or the node stops.
    async fn caught_up(&self, peer: &NodeId);

    /// Looks up the addresses of `peer`. An empty list: the peer does not listen. `None`: not known, or the node stops.
    async fn look_up(self: Arc<Self>, peer: &NodeId) -> Option<Vec<Text>>;

    /// Whether a directory is connected that can look up addresses.
    fn can_look_up(&self) -> bool;

    /// A seed was added or removed.
    fn seeds_changed(self: Arc<Self>);
}

/// The parts of links that a program chooses.
pub(crate) struct Choices {
    pub(crate) secret: Option<Secret>,
    pub(crate) secret_accept: Vec<Secret>,
    pub(crate) codecs: Codecs,
    pub(crate) transports: Transports,
    pub(crate) tls: Option<Arc<dyn Secure>>,
    pub(crate) dial_policy: DialPolicy,
    pub(crate) policy: Arc<dyn Policy>,
    /// The node has a propagator.
    pub(crate) reads_traces: bool,
    pub(crate) entropy: Entropy,
}

impl Links {
    pub(crate) fn new(network: Arc<Network>, choices: Choices, host: Weak<dyn Host>) -> Arc<Self> {
        let Choices {
            secret,
            secret_accept,
            codecs,
            transports,
            tls,
            dial_policy,
            policy,
            reads_traces,
            entropy,
        } = choices;
        let config = &network.config;
        let mut settings = settings(network.id.clone(), secret, config, &codecs, tls.is_some());
        settings.secret_accept = secret_accept;
        settings.reads_traces = reads_traces;
        Arc::new(Self {
            host,
            settings: Arc::new(settings),
            codecs,
            transports,
            tls,
            options: SocketConfig {
                nodelay: config.nodelay,
                ..SocketConfig::new(config.monitor_timeout)
            },
            dial_policy,
            policy,
            dials: Semaphore::new(config.dials.clamp(1, Semaphore::MAX_PERMITS)),
            accepted: semaphore(config.max_accepted_connections),
            connecting: semaphore(config.connecting),
            entropy,
            backlog: Backlog::new(config),
            nonces: Nonces::default(),
            cleartext: cleartext_limiter(),
            refused: AtomicU64::new(0),
            seeds: Seeds::default(),
            seeds_changed: Notify::new(),
            network,
        })
    }

    /// Whether the policy permits `peer` to do `action`. The policy is the program's code: its panic is a refusal.
    pub(crate) fn permits(&self, peer: &ConnectionInfo, action: &Action<'_>) -> bool {
        guard::run(|| self.policy.permits(peer, action)).unwrap_or(false)
    }

    /// Whether a directory is connected that can look up addresses.
    pub(super) fn can_look_up(&self) -> bool {
        self.host.upgrade().is_some_and(|host| host.can_look_up())
    }

    pub(crate) fn seeds(&self) -> Vec<Arc<Seed>> {
        self.seeds.all()
    }

    /// The connected nodes that answer at seeds, without duplicates, in the order of the seeds. `seeds_changed` is
    /// notified when the result may change.
    pub(crate) fn connected_seeds(&self) -> Vec<NodeId> {
        let mut nodes = self.seeds.connected();
        // The state of a seed changes only after its connection is fully closed; the link is down before that.
        nodes.retain(|node| {
            let peer = self.network.known_peer(node);
            peer.is_some_and(|peer| peer.link().is_some())
        });
        nodes
    }
}
