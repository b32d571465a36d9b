//! `NodeBuilder`: the settings of a node before it starts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aemp_proto::address::{listed, rank};
use tokio::runtime::Handle;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::checked::{Checked, transport_of};
use super::configured::{Configured, Prepared};
use super::inner::{Clock, Parts};
use super::{Inner, LocalNode, directory};
use crate::codec::{Codec, Codecs};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::error::StartError;
use crate::guard;
use crate::link::{self, Choices, DialPolicy};
use crate::policy::{Policy, Rules};
use crate::settings::{SecretSource, Settings};
use crate::trace::Propagator;
use crate::transport::{Secure, Transport, Transports};
use crate::{Address, NodeId, peer};

/// The settings of a node that is about to start. A later call of a setter replaces an earlier one, except for methods
/// that add something.
///
/// ```no_run
/// # async fn example() -> aemp::Result<()> {
/// use std::time::Duration;
///
/// let node = aemp::node()
///     .id("worker7")                                 // Unique in the network; made up where it is left out.
///     .secret("correct horse battery staple")        // The same in the whole network.
///     .bind("192.0.2.7:4040")                        // Where other nodes reach this one.
///     .seed("192.0.2.1:4040")                        // A node that is there already.
///     .configure(|config| config.monitor_timeout = Duration::from_secs(10))
///     .start()
///     .await?;
/// node.joined().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is started"]
#[doc(alias = "configure")]
pub struct NodeBuilder {
    pub(super) settings: Settings,
    pub(super) peers: Vec<(String, String)>,
    pub(super) codecs: Codecs,
    pub(super) transports: Transports,
    pub(super) tls: Option<Arc<dyn Secure>>,
    pub(super) tls_loader: Option<TlsLoader>,
    dial_policy: DialPolicy,
    policy: Option<Arc<dyn Policy>>,
    propagator: Option<Arc<dyn Propagator>>,
    entropy: Option<Entropy>,
    clock: Clock,
    on_start: Vec<OnStart>,
    pub(super) configured: Configured,
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("id", &self.settings.id)
            .field("binds", &self.settings.binds)
            .field("seeds", &self.settings.seeds)
            .field("codecs", &self.codecs)
            .finish_non_exhaustive()
    }
}

/// Makes a [`Secure`] of a private key and certificates in PEM.
type TlsLoader = Box<
    dyn Fn(&str) -> Result<Arc<dyn Secure>, Box<dyn std::error::Error + Send + Sync>> + Send + Sync,
>;

type OnStart = Box<dyn FnOnce(&LocalNode) + Send>;

impl NodeBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::default(),
            peers: Vec::new(),
            codecs: Codecs::default(),
            transports: Transports::default(),
            tls: None,
            tls_loader: None,
            dial_policy: Box::new(|_| true),
            policy: None,
            propagator: None,
            entropy: None,
            clock: Arc::new(SystemTime::now),
            on_start: Vec::new(),
            configured: Configured::default(),
        }
    }

    /// The node's ID, unique in its network. A random one is generated if none is set.
    #[doc(alias = "nodeid")]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.settings.id = Some(id.into());
        self
    }

    /// The secret that all nodes of the network share: at least `min_secret` bytes (16).
    ///
    /// Each character is one byte, as in AnyEvent::MP, so characters beyond U+00FF are refused; use
    /// [`secret_bytes`](Self::secret_bytes) for arbitrary bytes.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.settings
            .set_secret_source(SecretSource::Text(Zeroizing::new(secret.into())));
        self
    }

    /// The secret as bytes; see [`secret`](Self::secret).
    pub fn secret_bytes(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.settings
            .set_secret_source(SecretSource::Bytes(Zeroizing::new(secret.into())));
        self
    }

    /// A further secret that is accepted, while the nodes of a network exchange their secret one after the other. This node
    /// proves itself with [`secret`](Self::secret), and to a node that has dialled it with the one that this node has used.
    /// Call it again for more. The steps of an exchange are in docs/operating.md.
    #[doc(alias = "secret_accept")]
    pub fn accept_secret(mut self, secret: impl Into<String>) -> Self {
        let source = SecretSource::Text(Zeroizing::new(secret.into()));
        self.settings.accept_secret_source(source);
        self
    }

    /// Adds an address to listen on: `host:port`, `[v6]:port`, `*:port` for every interface, or with a scheme.
    /// Binds to `*` leave out loopback.
    #[doc(alias = "binds")]
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.settings.binds.push(address.into());
        self
    }

    /// Adds a seed: an address to which the node keeps a connection, whichever node answers there. While the node runs,
    /// use [`LocalNode::add_seed`].
    #[doc(alias = "seeds")]
    pub fn seed(mut self, address: impl Into<String>) -> Self {
        self.settings.seeds.push(address.into());
        self
    }

    /// Adds an address to publish in place of those bound, for a node that others reach at an address that is not its own:
    /// behind an address translation or a relay, in a container with a published port. Once or more: the addresses are
    /// published in the order of the calls, and `binds` among them stands for the bound ones. Each must be one that peers
    /// can connect to, as for a seed. A node that binds nothing can advertise as well.
    ///
    /// The check of [`check_peeraddr`](Config::check_peeraddr) takes an IP address and port that is advertised for the
    /// node's own where a peer dials it. Where this node dials, the port is not compared, since a translator chooses it. A
    /// host name is published, and not compared.
    ///
    /// ```
    /// // In a container whose port 4040 the host publishes at 198.51.100.7:4140.
    /// let builder = aemp::node().bind("*:4040").advertise("198.51.100.7:4140");
    /// ```
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.settings.advertise.push(address.into());
        self
    }

    /// Adds an address of the node `id`. This node connects to it when a message is sent there.
    pub fn peer(mut self, id: impl Into<String>, address: impl Into<String>) -> Self {
        self.peers.push((id.into(), address.into()));
        self
    }

    /// Adds a codec at the end of the list, or replaces the one with the same name.
    pub fn codec(mut self, codec: impl Codec + 'static) -> Self {
        self.codecs.add(Arc::new(codec));
        self
    }

    /// Selects the codecs called `names` from the codecs that were added, best first.
    #[doc(alias = "framing_format")]
    pub fn codecs<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.settings.codecs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a transport, or replaces the one with the same scheme.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transports.add(Arc::new(transport));
        self
    }

    /// The private key and the certificates of this node, in PEM, which switches TLS on: connections to peers that do not
    /// offer TLS are refused, unless [`Config::tls_fallback`] is on. Needs the feature `tls`, or a
    /// [`tls_loader`](Self::tls_loader). The first certificate that fits the key is this node's own; the others are those
    /// that it trusts.
    #[doc(alias = "cert")]
    pub fn certificate(mut self, pem: impl Into<String>) -> Self {
        self.settings.set_certificate(Some(pem.into()));
        self
    }

    /// Encrypts connections by `tls`, whatever [`certificate`](Self::certificate) and the configuration say. With a `Tls`
    /// of the crate `aemp-tls`, of which the program keeps a clone, the certificate can be exchanged while the node runs.
    pub fn tls(mut self, tls: impl Secure + 'static) -> Self {
        self.tls = Some(Arc::new(tls));
        self
    }

    /// Sets what makes a [`Secure`] of a [`certificate`](Self::certificate), which may come from the configuration. With
    /// the feature `tls`, `aemp::node()` has set it.
    pub fn tls_loader<T, E>(
        mut self,
        load: impl Fn(&str) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: Secure + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.tls_loader = Some(Box::new(move |pem| match load(pem) {
            Ok(tls) => Ok(Arc::new(tls)),
            Err(error) => Err(error.into()),
        }));
        self
    }

    /// Of the addresses that other nodes have published, dials only those for which `allows` returns true. Any member of
    /// the network can publish any address for a node in the directory, and this node connects to it when a message is
    /// sent to that node, or by itself if it is a global node. Without a policy all addresses are allowed.
    ///
    /// The policy does not apply to addresses from this node's own program or configuration: seeds and
    /// [`peer`](Self::peer). It runs in a task of the node and must not block. Host names in an address are not resolved
    /// yet; a name can resolve to any IP address.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// let builder = aemp::LocalNode::builder().dial_policy(|address| {
    ///     let socket: Option<SocketAddr> = address.target().parse().ok();
    ///     socket.is_some_and(|socket| !socket.ip().is_loopback() && socket.port() >= 1024)
    /// });
    /// ```
    pub fn dial_policy(
        mut self,
        allows: impl Fn(&Address) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.dial_policy = Box::new(allows);
        self
    }

    /// Decides what peers may do, whatever the configuration says. Without a policy of the program or the configuration
    /// there is [`Rules::default`]: a member of the network may do everything that this node offers, an anonymous peer may
    /// send messages to ports.
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Carries the traces of the program along with messages, within this node and to peers that have a propagator as well:
    /// see [`Propagator`]. Without one, which is the default, a message costs nothing for it.
    pub fn propagator(mut self, propagator: impl Propagator + 'static) -> Self {
        self.propagator = Some(Arc::new(propagator));
        self
    }

    /// Changes the settings that have defaults.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.settings.config);
        self
    }

    /// Sets the source of random bytes, for deterministic tests. If an attacker can guess the bytes, it can
    /// authenticate as a peer.
    pub fn random(mut self, fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        self.entropy = Some(Entropy::new(Arc::new(fill)));
        self
    }

    /// Sets the source of the time of day that peers can request, for deterministic tests.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Runs `prepare` after all addresses are bound and before the first connection is accepted: functions that it offers
    /// and ports that it creates exist before the first message.
    #[doc(alias = "services")]
    pub fn on_start(mut self, prepare: impl FnOnce(&LocalNode) + Send + 'static) -> Self {
        self.on_start.push(Box::new(prepare));
        self
    }

    /// Starts the node: loads the configuration, binds every address, runs the services, then begins to accept
    /// connections and to connect to the seeds, without waiting for them ([`LocalNode::joined`] does).
    ///
    /// # Errors
    /// If a setting is wrong or an address cannot be bound. Everything that was started is stopped then.
    ///
    /// # Cancel safety
    /// Dropping the future starts no node, and releases the addresses that were bound.
    pub async fn start(self) -> Result<LocalNode, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        // tokio has no call that tells whether timers are enabled: try one.
        guard::run(|| drop(sleep(Duration::ZERO))).map_err(|_| StartError::NoTimers)?;
        let entropy = match &self.entropy {
            Some(entropy) => entropy.clone(),
            None => {
                Entropy::system().map_err(|error| StartError::Entropy(io::Error::other(error)))?
            }
        };
        let mut builder = self.load_configuration(&runtime, &entropy).await?;
        builder.check_configuration()?;
        let services = builder.services()?;
        builder.start_configured(runtime, entropy, services).await
    }

    async fn start_configured(
        mut self,
        runtime: Handle,
        entropy: Entropy,
        services: Vec<Prepared>,
    ) -> Result<LocalNode, StartError> {
        let Checked {
            id,
            is_guarded,
            codecs,
            secret,
            secret_accept,
            tls,
            binds,
            seeds,
            advertised,
            peers,
        } = self.take_checked()?;
        let id = match id {
            Some(id) => id,
            None => NodeId::new(&format!("anon/{}", entropy.alphanumeric::<12>()))?,
        };
        let settings = self.settings;
        if self.policy.is_some() && settings.rules != Rules::default() {
            tracing::warn!(target: "aemp::policy", "the program has a policy of its own: secure and allow of the configuration have no effect");
        }
        let is_plain = tls.is_none() || settings.config.tls_fallback;
        let has_tls = tls.is_some();
        let parts = Parts {
            id,
            config: settings.config,
            choices: Choices {
                secret,
                secret_accept,
                codecs,
                transports: self.transports,
                tls,
                dial_policy: self.dial_policy,
                policy: self.policy.unwrap_or_else(|| Arc::new(settings.rules)),
                reads_traces: self.propagator.is_some(),
                entropy,
            },
            propagator: self.propagator,
            clock: self.clock,
            runtime,
        };
        let inner = Inner::new(parts);
        let mut listeners = Vec::new();
        for address in binds {
            let bound = guard::complete(async {
                let transport = transport_of(&inner.links.transports, &address)?;
                transport.listen(&address, &inner.links.options).await
            });
            let bound = bound.await.unwrap_or_else(|panic| {
                let text = format!("the transport panicked: {panic}");
                Err(io::Error::other(text))
            });
            listeners.push(bound.map_err(|error| StartError::Listen {
                address: address.to_string(),
                error,
            })?);
        }
        let mut addresses: Vec<_> = listeners
            .iter()
            .flat_map(|listener| listener.addresses())
            .collect();
        // Each listener returns its best address first. The merged list is sorted as well, because an AnyEvent::MP node
        // tries one address every 2 s.
        addresses.sort_by_key(rank);
        let published = advertised.published(&addresses);
        inner.set_addresses(addresses);
        inner.directory.publish_addresses(&inner, &published);
        if !seeds.is_empty() {
            // Before `on_start` and the services: they must not see the directory as that of a node without seeds.
            inner.directory.expect_seeds(&inner);
        }
        for (id, address) in peers {
            inner.network.peer(&id).add_address(address);
        }

        if !is_guarded && !inner.addresses().is_empty() {
            warn_about_no_guard(&inner.addresses());
        }
        if is_plain {
            warn_about_plain_text(&inner.addresses(), has_tls);
        }
        inner.add_node_port();
        inner.begin();
        let node = LocalNode::new(inner.clone());
        self.on_start.into_iter().for_each(|prepare| prepare(&node));
        for service in services {
            if let Err(error) = service.run(&node) {
                // Ports may hold handles of the node, so dropping `node` might not stop it.
                node.shutdown().await;
                return Err(error);
            }
        }
        for listener in listeners {
            let task = link::accept_all(inner.links.clone(), listener);
            inner.life.spawn_essential("a listener", task);
        }
        for address in seeds {
            link::add_seed(&inner.links, address);
        }
        inner
            .life
            .spawn_essential("the directory", directory::run(inner.clone()));
        let evict = peer::evict_largest(inner.network.clone());
        inner
            .life
            .spawn_essential("the limit on what is held for all peers", evict);
        tracing::info!(target: "aemp::node", node = %inner.id, addresses = listed(&inner.addresses()), "node started");
        if !advertised.is_empty() {
            tracing::info!(target: "aemp::node", addresses = listed(&published), "other nodes learn the advertised addresses");
        }
        Ok(node)
    }
}

/// Logs where a node listens that has no `binds` and nothing by which it could let anybody in.
fn warn_about_no_guard(addresses: &[Address]) {
    tracing::warn!(
        target: "aemp::node",
        addresses = listed(addresses),
        "this node has no binds, and neither a secret nor a certificate: it listens on loopback only, and lets nobody in until it has one"
    );
}

/// Logs a warning about plain connections, which can be read and changed in transit (protocol.md section 2): in every case
/// if the node has TLS, otherwise if it has addresses beyond loopback.
fn warn_about_plain_text(addresses: &[Address], has_tls: bool) {
    if has_tls {
        tracing::warn!(
            target: "aemp::node",
            "tls_fallback is on: connections to peers without TLS are neither encrypted nor signed after authentication"
        );
        return;
    }
    let open = |address: &&Address| {
        let socket: Result<SocketAddr, _> = address.target().parse();
        socket.is_ok_and(|socket| !socket.ip().to_canonical().is_loopback())
    };
    let open: Vec<_> = addresses.iter().filter(open).cloned().collect();
    if !open.is_empty() {
        tracing::warn!(target: "aemp::node", addresses = listed(&open), "after authentication nothing is encrypted or signed here");
    }
}
