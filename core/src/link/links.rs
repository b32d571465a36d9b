//! `Links`: what a node shares among its connections, those that are being opened among them.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use super::open::settings;
use super::{Door, Held, Nonces, Seed, Seeds, cleartext_ration};
use crate::codec::Codecs;
use crate::entropy::Entropy;
use crate::handshake::{Secret, Settings};
use crate::peer::{Generation, Network, Peer, semaphore};
use crate::ration::Ration;
use crate::shard::Batch;
use crate::transport::{Options, Transports};
use crate::{Address, Message, NodeId};

/// What a node shares among its connections.
pub(crate) struct Links {
    pub(crate) network: Arc<Network>,
    pub(super) host: Weak<dyn Host>,
    /// What the node says and accepts in every opening.
    pub(super) settings: Arc<Settings>,
    pub(super) codecs: Codecs,
    pub(crate) transports: Transports,
    /// What this node asks of them.
    pub(crate) options: Options,
    pub(super) dial_policy: DialPolicy,
    /// Room for dials to addresses that other nodes have named.
    pub(super) dials: Semaphore,
    /// Room for connections that others have opened.
    pub(super) accepted: Arc<Semaphore>,
    /// Room for nodes that connections are being made to.
    pub(super) connecting: Arc<Semaphore>,
    pub(crate) entropy: Entropy,
    pub(super) door: Door,
    pub(super) nonces: Nonces,
    pub(super) cleartext: Ration,
    pub(super) seeds: Seeds,
    /// A seed was connected to, added or removed, or an attempt failed.
    pub(crate) seeds_changed: Notify,
}

/// Whether an address that another node has named may be dialled.
pub(crate) type DialPolicy = Box<dyn Fn(&Address) -> bool + Send + Sync>;

/// What a connection has its node do.
#[async_trait]
pub(crate) trait Host: Send + Sync {
    /// A connection to `peer` is up, and nothing of it has been read yet.
    fn up(self: Arc<Self>, peer: &Peer, generation: Generation, is_perl: bool);

    /// The connection is lost, and nothing more of it is read.
    fn down(self: Arc<Self>, peer: &NodeId, generation: Generation);

    /// Handles a request that came over the connection. What it means for ports goes into `batch`, behind the messages
    /// that came before it. A question whose answer has to wait goes into `held`, if there is one.
    ///
    /// # Errors
    /// Says why the connection has to be closed.
    fn request(
        self: Arc<Self>,
        from: (&Arc<Peer>, Generation),
        request: Message,
        batch: &mut Batch,
        held: Option<&mut Held>,
    ) -> Result<(), String>;

    /// Whether the node is not done with what `peer` has asked its directory.
    fn is_behind(&self, peer: &NodeId) -> bool;

    /// Waits until it is, or the node stops.
    async fn caught_up(&self, peer: &NodeId);

    /// Where `peer` listens, if the network knows; nowhere, if the list is empty. `None` as well if the node stops.
    async fn find(self: Arc<Self>, peer: &NodeId) -> Option<Vec<Address>>;

    /// Whether the network can be asked now where others listen.
    fn can_find(&self) -> bool;

    /// A seed was added or removed.
    fn seeds_changed(self: Arc<Self>);
}

/// What links are made of that a program chooses.
pub(crate) struct Choices {
    pub(crate) secret: Option<Secret>,
    pub(crate) codecs: Codecs,
    pub(crate) transports: Transports,
    pub(crate) dial_policy: DialPolicy,
    pub(crate) entropy: Entropy,
}

impl Links {
    pub(crate) fn new(network: Arc<Network>, choices: Choices, host: Weak<dyn Host>) -> Arc<Self> {
        let Choices {
            secret,
            codecs,
            transports,
            dial_policy,
            entropy,
        } = choices;
        let config = &network.config;
        Arc::new(Self {
            host,
            settings: Arc::new(settings(network.id.clone(), secret, config, &codecs)),
            codecs,
            transports,
            options: Options {
                nodelay: config.nodelay,
                ..Options::new(config.monitor_timeout)
            },
            dial_policy,
            dials: Semaphore::new(config.dials.clamp(1, Semaphore::MAX_PERMITS)),
            accepted: semaphore(config.links),
            connecting: semaphore(config.connecting),
            entropy,
            door: Door::new(config),
            nonces: Nonces::default(),
            cleartext: cleartext_ration(),
            seeds: Seeds::default(),
            seeds_changed: Notify::new(),
            network,
        })
    }

    /// Whether the network can be asked now where others listen.
    pub(super) fn can_find(&self) -> bool {
        self.host.upgrade().is_some_and(|host| host.can_find())
    }

    pub(crate) fn seeds(&self) -> Vec<Arc<Seed>> {
        self.seeds.all()
    }

    /// The nodes that answer at seeds and are connected, each once, in the order of the seeds. `seeds_changed` tells
    /// when to look again.
    pub(crate) fn connected_seeds(&self) -> Vec<NodeId> {
        let mut nodes = self.seeds.connected();
        // A seed hears of the end of its connection when that is closed to the last byte.
        nodes.retain(|node| {
            let peer = self.network.known_peer(node);
            peer.is_some_and(|peer| peer.link().is_some())
        });
        nodes
    }
}
