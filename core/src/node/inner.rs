//! `Inner`: the state of a local node and its basic operations; [`LocalNode`](super::LocalNode) is the handle for
//! programs.
//!
//! All tasks of the node share it. Maps are locked for one lookup at a time; counters are atomics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use aemp_proto::abridged;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast, oneshot};

use super::functions::Functions;
use super::local::StopGuard;
use super::names::Names;
use super::{Driver, Gone, NodePort, NodeStats};
use crate::allowance::log_within;
use crate::config::Config;
use crate::error::NameError;
use crate::id::ParseIdError;
use crate::lifecycle::Lifecycle;
use crate::link::{Choices, Links};
use crate::message::Values;
use crate::monitor::{Action, ActionKind, IntoAction, Monitor};
use crate::peer::{Network, Peer, SpawnPermit, cache_last, take_last};
use crate::port::{Inboxes, ShardPort, ToPort};
use crate::shard::{self, Item, NewPort, OnEnd, Shards, Watcher, new_port};
use crate::trace::Propagator;
use crate::traffic::NodeEvent;
use crate::{Address, Excerpt, NodeId, PortId, PortName, Reason, reason};

pub(crate) struct Inner {
    pub(crate) id: NodeId,
    pub(crate) config: Arc<Config>,
    pub(crate) life: Arc<Lifecycle>,
    pub(crate) shards: Arc<Shards>,
    /// The state that all peers share.
    pub(crate) network: Arc<Network>,
    /// The state that all connections share.
    pub(crate) links: Arc<Links>,
    pub(super) clock: Clock,
    pub(crate) functions: Functions,
    /// Taken when the node has stopped, which ends the streams of all listeners.
    pub(super) events: Mutex<Option<broadcast::Sender<NodeEvent>>>,
    /// The addresses at which other nodes reach this node.
    addresses: Mutex<Vec<Address>>,
    pub(super) stop_guard: Mutex<Weak<StopGuard>>,
    pub(crate) directory: Driver,
    pub(crate) inboxes: Inboxes,
    /// Places for those who follow this node's messages from other nodes.
    pub(crate) tap_viewers: Arc<Semaphore>,
    pub(super) names: Names,
    pub(super) propagator: Option<Arc<dyn Propagator>>,
    /// See [`NodeStats::misaddressed`].
    misaddressed: AtomicU64,
}

/// The source of the time of day.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The parts of a node.
pub(super) struct Parts {
    pub(super) id: NodeId,
    pub(super) config: Config,
    pub(super) choices: Choices,
    pub(super) clock: Clock,
    pub(super) propagator: Option<Arc<dyn Propagator>>,
    pub(super) runtime: Handle,
}

/// How many may follow this node's messages from other nodes at a time.
pub(crate) const TAP_VIEWERS: usize = 16;

/// Node events that are kept for a slow listener.
const EVENT_CAPACITY: usize = 1024;

impl Inner {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            id,
            config,
            choices,
            clock,
            propagator,
            runtime,
        } = parts;
        let config = Arc::new(Config {
            high_water: config.high_water.max(1),
            ..config
        });
        let life = Lifecycle::new(id.clone(), runtime);
        let seed = u64::from_le_bytes(choices.entropy.bytes());
        let shards = Arc::new(Shards::new(&config, seed));
        let names = Names::new(&id, &choices.entropy);
        Arc::new_cyclic(|node: &Weak<Self>| {
            let host = node.clone();
            let network = Network::new(
                id.clone(),
                config.clone(),
                life.clone(),
                shards.clone(),
                host,
            );
            Self {
                directory: Driver::new(id.clone(), &config),
                links: Links::new(network.clone(), choices, node.clone()),
                network,
                id,
                config,
                life,
                shards,
                clock,
                functions: Functions::default(),
                inboxes: Inboxes::default(),
                tap_viewers: Arc::new(Semaphore::new(TAP_VIEWERS)),
                events: Mutex::new(Some(broadcast::channel(EVENT_CAPACITY).0)),
                addresses: Mutex::default(),
                stop_guard: Mutex::default(),
                names,
                propagator,
                misaddressed: AtomicU64::new(0),
            }
        })
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

    pub(crate) fn add_port(self: &Arc<Self>, port: impl ShardPort + 'static) -> PortId {
        self.insert_port(self.names.unique(), new_port(port))
    }

    /// Creates the node port.
    pub(super) fn add_node_port(self: &Arc<Self>) {
        let port = new_port(NodePort(Arc::downgrade(self)));
        self.insert(PortName::NODE_PORT, port);
    }

    fn insert(self: &Arc<Self>, name: PortName, new: NewPort) {
        let rejected = self.shards.insert(name, new);
        self.settle_rejected(rejected);
    }

    /// Creates a port with a generated name.
    pub(super) fn insert_port(self: &Arc<Self>, name: PortName, new: NewPort) -> PortId {
        self.insert(name.clone(), new);
        PortId::new(self.id.clone(), name)
    }

    /// Creates a port with a given name, which holds `permit` as long as it lives.
    pub(crate) fn add_named_port(
        self: &Arc<Self>,
        name: PortName,
        port: Box<dyn ShardPort>,
        permit: Option<SpawnPermit>,
    ) -> Result<PortId, NameError> {
        let name_guard = self.names.reserve(&name)?;
        let on_end = Box::new(move |_: &Reason| drop((name_guard, permit)));
        let on_end = Some(on_end as OnEnd);
        self.insert(name.clone(), NewPort { port, on_end });
        Ok(PortId::new(self.id.clone(), name))
    }

    /// Calls `call` with the peer `id`, which is looked up in the cache of the thread first. `call` may call this
    /// recursively.
    #[inline]
    pub(super) fn with_peer<R>(
        self: &Arc<Self>,
        id: &NodeId,
        call: impl FnOnce(&Arc<Peer>) -> R,
    ) -> R {
        let last = take_last().filter(|peer| peer.is_peer_of(&self.network, id));
        let peer = last.unwrap_or_else(|| self.network.peer(id));
        let result = call(&peer);
        cache_last(peer);
        result
    }

    pub(super) fn stats(&self) -> NodeStats {
        let peers = self.network.peers();
        NodeStats {
            connections: peers.iter().filter_map(|peer| peer.stats()).collect(),
            shards: self.shards.stats(),
            refused_connections: self.links.refused.load(Ordering::Relaxed),
            misaddressed: self.misaddressed.load(Ordering::Relaxed),
            local_refused: self.shards.refused(),
        }
    }

    /// Calls `call` with a port's ID. A text that is none is counted and logged.
    #[inline]
    pub(crate) fn with_port<R>(
        &self,
        port: impl ToPort,
        call: impl FnOnce(&PortId) -> R,
    ) -> Result<R, ParseIdError> {
        match port.to_port() {
            Ok(port) => Ok(call(&port)),
            Err(error) => {
                self.misaddressed.fetch_add(1, Ordering::Relaxed);
                log_within!(self.network.logs.members, WARN, target: "aemp::port", port = ?Excerpt(&port), error = %Excerpt(&error), "a text that is no port ID");
                Err(error)
            }
        }
    }

    pub(crate) fn kill(self: &Arc<Self>, port: &PortId, reason: Reason) {
        if port.port().is_node_port() {
            // It would stop an AnyEvent::MP node from receiving anything (protocol.md section 5).
            tracing::warn!(target: "aemp::port", port = %Excerpt(port), "a node port cannot be killed");
        } else if port.node() == &self.id {
            self.shards.kill(port.port().clone(), reason);
        } else {
            self.network.peer(port.node()).kill(port.port(), &reason);
        }
    }

    /// Sets a monitor, on behalf of the port `owner` if there is one.
    pub(crate) fn monitor(
        self: &Arc<Self>,
        target: impl ToPort,
        then: impl IntoAction,
        owner: Option<&PortName>,
    ) -> Monitor {
        match then.into_action() {
            Ok(mut action) => {
                action.shard = owner.map(|port| self.shards.of(port) as u32);
                self.watch_named(target, action)
            }
            Err(error) => {
                tracing::error!(target: "aemp::monitor", target = %Excerpt(&target), error = %Excerpt(&error), "the message of a monitor cannot be built");
                // The caller gets the guard of a monitor without effect.
                let nothing = |_: Reason| ();
                self.watch_named(target, Action::new(ActionKind::Call(Box::new(nothing))))
            }
        }
    }

    /// Watches a port. A monitor on a text that is not a port ID fires at once.
    fn watch_named(self: &Arc<Self>, target: impl ToPort, action: Action) -> Monitor {
        match self.with_port(&target, PortId::clone) {
            Ok(target) => self.watch(&target, action),
            Err(error) => {
                let armed = action.armed();
                let reason = reason!["no_such_port", error.to_string(), target.to_string()];
                self.fire(&PortName::NODE_PORT, action, reason);
                Monitor::fired(armed)
            }
        }
    }

    pub(crate) fn watch(self: &Arc<Self>, target: &PortId, action: Action) -> Monitor {
        let key = self.names.next();
        if target.node() != &self.id {
            return self
                .network
                .peer(target.node())
                .monitor(target.port(), key, action);
        }
        let armed = action.armed();
        let watcher = Watcher::Local(key, action);
        let rejected = self.shards.watch(target.port().clone(), watcher);
        self.settle_rejected(rejected);
        Monitor::new(self.shards.clone(), target.port(), key, armed)
    }

    /// Kills `port` when `target` dies; after a normal end only if `always`.
    pub(crate) fn link(
        self: &Arc<Self>,
        target: impl ToPort,
        port: &PortId,
        always: bool,
    ) -> Monitor {
        self.watch_named(target, Action::kill(port, always))
    }

    pub(crate) fn gone(self: &Arc<Self>, target: impl ToPort) -> Gone {
        let (sender, reason) = oneshot::channel();
        Gone {
            _watch: self.watch_named(target, Action::new(ActionKind::Wake(sender))),
            reason,
            stopped: self.life.stopped_reason(),
        }
    }

    /// Queues a fired action at the shard of its port. Locks nothing else, so that a peer can call it while it settles
    /// a lost connection.
    pub(crate) fn fire(self: &Arc<Self>, watched: &PortName, action: Action, reason: Reason) {
        let here = |to: &PortId| to.node() == &self.id;
        match action.kind {
            ActionKind::Kill(kill) if here(&kill.0) => {
                let (to, always) = *kill;
                if action.armed.take() && (always || !reason.is_normal()) {
                    self.shards.kill(to.port().clone(), reason);
                }
            }
            ActionKind::Notify(notify) if here(&notify.0) => {
                if action.armed.take() {
                    let (to, message) = appended(*notify, reason);
                    if aemp_proto::faulty!(FiresTwice) {
                        self.shards
                            .deliver_or_kill(to.port(), message.clone().into());
                    }
                    self.shards.deliver_or_kill(to.port(), message.into());
                }
            }
            ActionKind::Wake(sender) => {
                if action.armed.take() {
                    // The receiver may have been dropped.
                    let _ = sender.send(reason);
                }
            }
            kind => {
                let shard = action.shard;
                let fired = Box::new((Action { kind, ..action }, reason));
                let item = Item::new(watched.clone(), shard::Op::Fire(fired));
                // If the node has stopped, the callback must not run here: the caller may hold a peer's lock.
                let rejected = self.shards.try_push(item, shard);
                self.settle_rejected(rejected);
            }
        }
    }

    /// Runs a fired action on a shard, after [`fire`](Self::fire) has queued it.
    pub(crate) fn run_action(self: &Arc<Self>, action: Action, reason: Reason) {
        if !action.armed.take() {
            return;
        }
        match action.kind {
            ActionKind::Kill(kill) => {
                let (to, always) = *kill;
                if always || !reason.is_normal() {
                    self.kill(&to, reason);
                }
            }
            ActionKind::Notify(notify) => {
                let reason = self.as_told_to(notify.0.node(), reason);
                let (to, message) = appended(*notify, reason);
                self.notify(&to, message);
            }
            ActionKind::Tell(tell) => {
                let (to, make) = *tell;
                match make(self.as_told_to(to.node(), reason)) {
                    Ok(message) => self.notify(&to, message),
                    Err(error) => {
                        tracing::warn!(target: "aemp::port", port = %to, %error, "a monitor's message was not sent");
                    }
                }
            }
            ActionKind::Wake(sender) => {
                let _ = sender.send(reason);
            }
            ActionKind::Call(run) => run(reason),
        }
    }

    /// The reason as a port of `node` is told of it.
    fn as_told_to(&self, node: &NodeId, reason: Reason) -> Reason {
        match node == &self.id {
            true => reason,
            false => abridged(&reason),
        }
    }

    /// Sends what a monitor says. To another node as a message of the node itself: elements that the codec cannot carry
    /// are replaced, so it arrives.
    fn notify(self: &Arc<Self>, to: &PortId, message: Values) {
        if to.node() == &self.id {
            self.shards.deliver_or_kill(to.port(), message.into());
            return;
        }
        let peer = self.network.peer(to.node());
        peer.send_internal(to.port(), message);
    }

    /// Sends `event` to all listeners.
    pub(crate) fn event(&self, event: NodeEvent) {
        if let Some(events) = &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            // There may be no listener.
            let _ = events.send(event);
        }
    }

    /// The events from now on; ends at once if the node has stopped.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        match &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }
}

/// The message of a [`Notify`](crate::Notify), with the reason appended.
fn appended((to, mut values): (PortId, Values), reason: Reason) -> (PortId, Values) {
    values.extend(reason.values().iter().cloned());
    (to, values)
}
