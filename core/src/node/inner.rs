//! `Inner`: the state of a local node, and its operations without the conveniences of [`LocalNode`](super::LocalNode).
//!
//! Shared by everything that runs for the node. The maps are locked for a look-up; the counters are atomics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use aemp_proto::id::{REPLY, is_reply};
use aemp_proto::map::HashSet;
use aemp_proto::{abridged, not_encoded};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, broadcast, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::Driver;
use super::functions::Functions;
use super::local::Keep;
use super::peers::{Peers, keep_last, take_last};
use super::tasks::{Essential, Tasks};
use super::{Ending, NodeEvent, NodePort, NodeStats, Taps};
use crate::allowance::log_within;
use crate::codec::{Codecs, EncodeError, Frame};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::error::SendError;
use crate::handshake::{Secret, Settings};
use crate::link::{self, Door, Nonces, Seed, Seeds};
use crate::message::{IntoMessage, Values};
use crate::monitor::{Action, IntoAction, Monitor, Target, What};
use crate::peer::{Generation, Peer, Pool, SpawnPlace};
use crate::port::Port;
use crate::ration::Ration;
use crate::shard::{self, Item, NewPort, OnEnd, Shards, Watcher, new_port};
use crate::transport::{Options, Transports};
use crate::watchdog::woken_soon;
use crate::{Address, Excerpt, LogAllowance, NodeId, PortId, PortName, Reason};

pub(crate) struct Inner {
    pub(crate) id: NodeId,
    pub(crate) config: Config,
    /// What the node says and accepts in every opening.
    pub(crate) settings: Arc<Settings>,
    pub(crate) codecs: Codecs,
    pub(crate) transports: Transports,
    /// What this node asks of them.
    pub(crate) options: Options,
    pub(crate) dial_policy: DialPolicy,
    /// Room for dials to addresses that other nodes have named.
    pub(crate) dials: Semaphore,
    /// What is held for all peers.
    pub(crate) pool: Arc<Pool>,
    /// Room for connections that others have opened.
    pub(crate) links: Arc<Semaphore>,
    /// Room for ports that peers spawn.
    pub(crate) spawned: Arc<Semaphore>,
    /// Room for nodes that connections are being made to.
    pub(crate) connecting: Arc<Semaphore>,
    pub(crate) entropy: Entropy,
    pub(super) clock: Clock,
    pub(crate) shards: Arc<Shards>,
    pub(crate) functions: Functions,
    /// Taken when the node has stopped, so that who listens comes to an end.
    pub(super) events: Mutex<Option<broadcast::Sender<NodeEvent>>>,
    pub(crate) runtime: Handle,
    /// Set when the node is to stop.
    pub(crate) stop: CancellationToken,
    /// How it stops.
    pub(crate) ending: Ending,
    /// Set when it has.
    pub(super) stopped: CancellationToken,
    /// Links, listeners and connectors; the node has stopped when they have.
    pub(super) tasks: Tasks,
    pub(crate) door: Door,
    pub(crate) nonces: Nonces,
    pub(crate) cleartext: Ration,
    pub(crate) logs: Logs,
    /// Where this node listens, as others reach it.
    addresses: Mutex<Vec<Address>>,
    pub(crate) seeds: Seeds,
    /// A seed was connected to, added or removed, or an attempt failed.
    pub(crate) seeds_changed: Notify,
    pub(super) keep: Mutex<Weak<Keep>>,
    pub(super) peers: Peers,
    pub(crate) directory: Driver,
    pub(crate) taps: Arc<Taps>,
    /// How many connections have come up.
    generations: AtomicU64,
    /// Names that were given to ports and not made up.
    names: Arc<Mutex<HashSet<PortName>>>,
    /// Made anew by each process, so that a restarted node never answers to an old port ID (protocol.md section 1).
    unique: String,
    counter: AtomicU64,
}

/// What tells the time of day.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Whether an address that another node has named may be dialled.
pub(crate) type DialPolicy = Box<dyn Fn(&Address) -> bool + Send + Sync>;

/// What a node is made of.
pub(super) struct Parts {
    pub(super) id: NodeId,
    pub(super) config: Config,
    pub(super) secret: Option<Secret>,
    pub(super) codecs: Codecs,
    pub(super) transports: Transports,
    pub(super) dial_policy: DialPolicy,
    pub(super) entropy: Entropy,
    pub(super) clock: Clock,
    pub(super) runtime: Handle,
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

/// How many node events wait for a slow listener.
const EVENTS: usize = 1024;

/// What the names of ports begin with that this node makes up.
fn unique_word(_id: &NodeId, entropy: &Entropy) -> String {
    #[cfg(aemp_faults)]
    if aemp_proto::faults::is(aemp_proto::faults::Fault::SameNames) {
        return _id.to_string();
    }
    entropy.word::<10>()
}

/// Room for so many.
pub(crate) fn room_for(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}

impl Inner {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            id,
            config,
            secret,
            codecs,
            transports,
            dial_policy,
            entropy,
            clock,
            runtime,
        } = parts;
        Arc::new(Self {
            shards: Arc::new(Shards::new(
                config.shards,
                u64::from_le_bytes(entropy.bytes()),
            )),
            unique: unique_word(&id, &entropy),
            directory: Driver::new(id.clone(), &config),
            door: Door::new(&config),
            nonces: Nonces::default(),
            cleartext: link::cleartext_ration(),
            logs: Logs::default(),
            options: Options {
                nodelay: config.nodelay,
                ..Options::new(config.monitor_timeout)
            },
            settings: Arc::new(link::settings(id.clone(), secret, &config, &codecs)),
            id,
            dials: Semaphore::new(config.dials.clamp(1, Semaphore::MAX_PERMITS)),
            connecting: room_for(config.connecting),
            pool: Arc::new(Pool::new(config.peers_limit)),
            links: room_for(config.links),
            spawned: room_for(config.spawned_ports),
            config,
            codecs,
            transports,
            dial_policy,
            entropy,
            clock,
            tasks: Tasks::new(runtime.clone()),
            runtime,
            functions: Functions::default(),
            events: Mutex::new(Some(broadcast::channel(EVENTS).0)),
            stop: CancellationToken::new(),
            ending: Ending::default(),
            stopped: CancellationToken::new(),
            addresses: Mutex::default(),
            seeds: Seeds::default(),
            seeds_changed: Notify::new(),
            keep: Mutex::default(),
            peers: Peers::default(),
            taps: Arc::default(),
            generations: AtomicU64::new(0),
            names: Arc::default(),
            counter: AtomicU64::new(0),
        })
    }

    /// Runs `task` for the node, which has stopped when it has ended. False if it has stopped already.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.tasks.spawn(task.instrument(self.span()))
    }

    /// The same for a task whose unexpected end stops the node.
    pub(crate) fn spawn_essential(
        self: &Arc<Self>,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> bool {
        self.spawn(Essential::new(self, name.into()).run(task))
    }

    /// Around all that runs for this node: a process may have several. It stands in no other, or a task that a task of the
    /// node starts would be in it twice.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::info_span!(target: "aemp::node", parent: None, "node", id = %self.id)
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_addresses(&self, addresses: Vec<Address>) {
        *self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = addresses;
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
            let peer = self.known_peer(node);
            peer.is_some_and(|peer| peer.link().is_some())
        });
        nodes
    }

    fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// A name that no port of any node ever had.
    pub(crate) fn unique_name(&self) -> PortName {
        format!("{}{}", self.unique, self.next()).into()
    }

    /// A name for a port that takes the answer of a call.
    pub(super) fn reply_name(&self) -> PortName {
        format!("{}{}{}", REPLY, self.unique, self.next()).into()
    }

    /// Whether this is a name that this node makes up, or may make up next.
    pub(crate) fn is_own_name(&self, name: &PortName) -> bool {
        let name = name.as_str();
        let name = name.strip_prefix(REPLY).unwrap_or(name);
        name.starts_with(&self.unique)
    }

    /// A name for a port that this node spawns on another.
    pub(crate) fn remote_name(&self) -> PortName {
        // Told apart from local names by the letter, which also keeps the two random words from ever meeting.
        format!("r{}{}", self.unique, self.next()).into()
    }

    pub(crate) fn add_port(self: &Arc<Self>, port: impl Port + 'static) -> PortId {
        self.insert_port(self.unique_name(), new_port(port))
    }

    /// Makes the node port.
    pub(super) fn add_node_port(self: &Arc<Self>) {
        let port = new_port(NodePort(Arc::downgrade(self)));
        self.insert(PortName::NODE_PORT, port);
    }

    fn insert(self: &Arc<Self>, name: PortName, new: NewPort) {
        let refused = self.shards.insert(name, new);
        self.settle(refused);
    }

    /// Makes a port with a name that this node has made up.
    pub(super) fn insert_port(self: &Arc<Self>, name: PortName, new: NewPort) -> PortId {
        self.insert(name.clone(), new);
        PortId::new(self.id.clone(), name)
    }

    /// Makes a port with a name of its own, which keeps `place` as long as it lives. `None` if the name is in use, or is
    /// that of the node port.
    pub(crate) fn add_named_port(
        self: &Arc<Self>,
        name: PortName,
        port: Box<dyn Port>,
        place: Option<SpawnPlace>,
    ) -> Option<PortId> {
        let taken = |names: &Mutex<HashSet<PortName>>| {
            !names
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.clone())
        };
        if name.is_node_port() || taken(&self.names) {
            return None;
        }
        let (names, held) = (self.names.clone(), name.clone());
        let on_end = Box::new(move |_: &Reason| {
            drop(place);
            names
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&held);
        });
        let on_end = Some(on_end as OnEnd);
        self.insert(name.clone(), NewPort { port, on_end });
        Some(PortId::new(self.id.clone(), name))
    }

    /// The peer called `id`, made if it is new.
    pub(crate) fn peer(self: &Arc<Self>, id: &NodeId) -> Arc<Peer> {
        self.peers.get_or_add(id, || {
            let node = Arc::downgrade(self);
            Peer::new(&self.id, id.clone(), node, &self.config, &self.pool)
        })
    }

    /// The same for what a thread does again and again with the same peer. What `with` runs may do so itself.
    #[inline]
    fn with_peer<R>(self: &Arc<Self>, id: &NodeId, with: impl FnOnce(&Arc<Peer>) -> R) -> R {
        let last = take_last().filter(|peer| peer.is(self, id));
        let peer = last.unwrap_or_else(|| self.peer(id));
        let result = with(&peer);
        keep_last(peer);
        result
    }

    pub(crate) fn known_peer(&self, id: &NodeId) -> Option<Arc<Peer>> {
        self.peers.get(id)
    }

    /// All peers, by ID.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.all()
    }

    pub(super) fn stats(&self) -> NodeStats {
        let peers = self.peers();
        NodeStats {
            links: peers.iter().filter_map(|peer| peer.stats()).collect(),
            shards: self.shards.stats(),
        }
    }

    /// The number of a connection that comes up now.
    pub(crate) fn next_generation(&self) -> Generation {
        1 + self.generations.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends without telling the sender of failure: a message that cannot be encoded fires this node's monitors
    /// on its port.
    #[inline]
    pub(crate) fn send(self: &Arc<Self>, to: &PortId, message: impl IntoMessage) {
        let Err(error) = self.try_send(to, message, None) else {
            return;
        };
        let SendError::Encode { error: refused, .. } = &error;
        if to.node() == &self.id {
            log_within!(self.logs.members, WARN, target: "aemp::link", "{}", Excerpt(&error));
            if is_reply(to.port()) {
                self.kill(to, not_encoded(&self.id, refused));
            }
            return;
        }
        let peer = self.peer(to.node());
        log_within!(peer, WARN, target: "aemp::link", "{}", Excerpt(&error));
        peer.report_not_sent(to.port(), refused);
    }

    #[inline]
    pub(crate) fn try_send(
        self: &Arc<Self>,
        to: &PortId,
        message: impl IntoMessage,
        reply: Option<&PortId>,
    ) -> Result<(), SendError> {
        let refused = |error| SendError::Encode {
            to: to.clone(),
            error,
        };
        if to.node() != &self.id {
            let frame = Frame {
                port: to.port().as_str(),
                body: message.outgoing(),
                reply,
            };
            return self.with_peer(to.node(), |peer| peer.send(&frame));
        }
        let mut message = message.into_message().map_err(refused)?;
        if let Some(reply) = reply {
            message
                .push(reply.to_string())
                .map_err(|error| refused(EncodeError::Serialize(error.to_string())))?;
        }
        self.shards.deliver(to.port(), message);
        Ok(())
    }

    pub(crate) fn kill(self: &Arc<Self>, port: &PortId, reason: Reason) {
        if port.port().is_node_port() {
            // It would deafen an AnyEvent::MP node (protocol.md section 5), and ours has no port there.
            tracing::warn!(target: "aemp::port", port = %Excerpt(port), "a node port cannot be killed");
        } else if port.node() == &self.id {
            self.shards.kill(port.port().clone(), reason);
        } else {
            self.peer(port.node()).kill(port.port(), &reason);
        }
    }

    /// Sets a monitor, for the port `owner` if there is one.
    pub(crate) fn monitor(
        self: &Arc<Self>,
        target: &PortId,
        then: impl IntoAction,
        owner: Option<&PortName>,
    ) -> Monitor {
        match then.into_action() {
            Ok(mut action) => {
                action.shard = owner.map(|port| self.shards.of(port) as u32);
                self.watch(target, action)
            }
            Err(error) => {
                tracing::error!(target: "aemp::monitor", target = %Excerpt(target), error = %Excerpt(&error), "the message of a monitor cannot be built");
                // Better told now and wrongly than never.
                self.watch(target, Action::kill(target, false))
            }
        }
    }

    pub(crate) fn watch(self: &Arc<Self>, target: &PortId, action: Action) -> Monitor {
        let key = self.next();
        if target.node() != &self.id {
            return self.peer(target.node()).monitor(target.port(), key, action);
        }
        let armed = action.armed();
        let watcher = Watcher::Local(key, action);
        let refused = self.shards.watch(target.port().clone(), watcher);
        self.settle(refused);
        Monitor::new(
            Target::Local(self.shards.clone(), target.port().clone(), key),
            armed,
        )
    }

    /// Kills `port` when `target` dies; by an ordinary end only if `always`.
    pub(crate) fn link(self: &Arc<Self>, target: &PortId, port: &PortId, always: bool) -> Monitor {
        self.watch(target, Action::kill(port, always))
    }

    pub(crate) fn gone(
        self: &Arc<Self>,
        target: &PortId,
    ) -> impl Future<Output = Reason> + Send + use<> {
        let (told, reason) = oneshot::channel();
        let watch = self.watch(target, Action::new(What::Wake(told)));
        let stopped = self.stopped_reason();
        async move {
            let reason = woken_soon(reason).await.unwrap_or(stopped);
            drop(watch);
            reason
        }
    }

    /// Puts a fired action where its owner will meet it: into the queue of a port or shard. Locks nothing else,
    /// so that a peer can call it while it settles a lost connection.
    pub(crate) fn fire(self: &Arc<Self>, watched: &PortName, action: Action, reason: Reason) {
        let here = |to: &PortId| to.node() == &self.id;
        match action.what {
            What::Kill(kill) if here(&kill.0) => {
                let (to, always) = *kill;
                if action.armed.take() && (always || !reason.is_normal()) {
                    self.shards.kill(to.port().clone(), reason);
                }
            }
            What::Notify(notify) if here(&notify.0) => {
                if action.armed.take() {
                    let (to, message) = appended(*notify, reason);
                    #[cfg(aemp_faults)]
                    if aemp_proto::faults::is(aemp_proto::faults::Fault::FiresTwice) {
                        self.shards.deliver(to.port(), message.clone().into());
                    }
                    self.shards.deliver(to.port(), message.into());
                }
            }
            What::Wake(told) => {
                if action.armed.take() {
                    // Nobody waits any more: then nobody is told.
                    let _ = told.send(reason);
                }
            }
            what => {
                let shard = action.shard;
                let fired = Box::new((Action { what, ..action }, reason));
                let item = Item::new(watched.clone(), shard::What::Fire(fired));
                // Where the node has stopped, what is settled may be the program's code: not under a peer's lock.
                let refused = self.shards.try_push(item, shard);
                self.settle(refused);
            }
        }
    }

    /// Runs a fired action that [`fire`](Self::fire) has given to a shard.
    pub(crate) fn act(self: &Arc<Self>, action: Action, reason: Reason) {
        if !action.armed.take() {
            return;
        }
        match action.what {
            What::Kill(kill) => {
                let (to, always) = *kill;
                if always || !reason.is_normal() {
                    self.kill(&to, reason);
                }
            }
            What::Notify(notify) => {
                if notify.0.node() == &self.id {
                    let (to, message) = appended(*notify, reason);
                    self.shards.deliver(to.port(), message.into());
                } else {
                    let (to, message) = appended(*notify, abridged(&reason));
                    // It fits whatever codec there is: a reason may hold what that lacks, and has to arrive.
                    self.peer(to.node()).tell(to.port(), message);
                }
            }
            What::Wake(told) => {
                let _ = told.send(reason);
            }
            What::Call(run) => run(reason),
        }
    }

    /// Tells those who listen.
    pub(crate) fn event(&self, event: NodeEvent) {
        if let Some(events) = &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody listens: then nobody is told.
            let _ = events.send(event);
        }
    }

    /// The events from now on; none if the node has stopped.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        match &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }
}

/// The message of a [`Notify`](crate::Notify) with the reason at its end.
fn appended((to, mut values): (PortId, Values), reason: Reason) -> (PortId, Values) {
    values.extend(reason.values().iter().cloned());
    (to, values)
}
