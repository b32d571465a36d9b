//! `Peer`: the shell of a [peer machine](Machine). It holds the machine's lock and performs the machine's effects under
//! it, so that all effects of a lost connection are complete before the next one carries a message.
//!
//! The lock is held during a call of the machine and never across an `.await`. Only the locks of shard queues, event
//! senders and taps are taken while it is held. Code of the program that runs under it is kept from taking others (`locked`).

mod addresses;
mod connection;
mod link;
mod locked;
mod network;
mod opening;
mod peers;
mod pool;
mod spawned;
mod stats;
mod waits;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::task::Waker;
use std::time::Duration;

use aemp_proto::monitor::MonitorKey;
use aemp_proto::node_protocol;
use aemp_proto::peer::{Effect, Effects, Machine};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::allowance::log_within;
use crate::codec::{EncodeError, Frame};
use crate::error::SendError;
use crate::guard;
use crate::message::Values;
use crate::monitor::{Action, Monitor, Monitored};
use crate::shard::{Item, Op, RemoteWatcher, UnwatchCount};
use crate::trace::TraceContext;
use crate::traffic::{ConnectionInfo, NodeEvent};
use crate::watchdog::{clear_lifo_slot, defer_wake};
use crate::{Excerpt, LogAllowance, NodeId, PortName, Reason};

use addresses::Addresses;
use connection::Connection;
use locked::Locked;
use spawned::Spawned;

pub(crate) use aemp_proto::peer::{Answers, Chunk, Generation, PassError, Stage, Wait, Written};
pub(crate) use locked::{assert_not_held, is_held, when_released};
pub(crate) use network::{Host, Network, semaphore};
pub(crate) use opening::Opening;
use peers::Peers;
pub(crate) use peers::{cache_last, take_last};
pub(crate) use pool::{Pool, evict_largest, is_recount_due};
pub(crate) use spawned::SpawnPermit;

pub(crate) struct Peer {
    pub(crate) id: NodeId,
    network: Weak<Network>,
    state: Mutex<State>,
    /// Locked for one look at a time, under the lock of the state too.
    addresses: Mutex<Addresses>,
    /// The connection that came up last and is not lost.
    last_link: Mutex<Option<ConnectionInfo>>,
    /// Notified when the link comes up or goes down, an opening ends, or the queue falls below its high-water mark.
    changed: Notify,
    spawned: Spawned,
    log: LogAllowance,
    /// The origin of the machine's times.
    epoch: Instant,
}

struct State {
    machine: Machine<Action, Connection>,
    /// The waker of the writer's task while it waits for bytes.
    writer: Option<Waker>,
    /// The connection is kept open although no message may be sent over it.
    is_persistent: bool,
}

/// Effects that are performed after the lock is released.
#[derive(Default)]
struct Deferred {
    connect: Option<Wait>,
    has_changed: bool,
    clear_lifo_slot: bool,
    /// Effects that cannot be performed, because the node is gone. They are dropped without the lock: dropping an
    /// action may run user code.
    unperformed: Effects<Action>,
}

impl Peer {
    pub(super) fn new(network: &Arc<Network>, id: NodeId) -> Arc<Self> {
        let config = &network.config;
        let us = network.id.clone();
        let machine = Machine::new(us, id.clone(), config.queue_limit, network.pool.clone());
        let state = State {
            machine,
            writer: None,
            is_persistent: false,
        };
        let log = LogAllowance::new(id.as_str(), 50, Duration::from_secs(1));
        Arc::new(Self {
            id,
            network: Arc::downgrade(network),
            state: Mutex::new(state),
            addresses: Mutex::default(),
            last_link: Mutex::default(),
            changed: Notify::new(),
            spawned: Spawned::new(config.peer_ports),
            log,
            epoch: Instant::now(),
        })
    }

    /// Whether this is the peer `id` of `network`.
    #[inline]
    pub(crate) fn is_peer_of(&self, network: &Arc<Network>, id: &NodeId) -> bool {
        // The weak reference keeps the allocation, so no later network has the same pointer.
        std::ptr::eq(self.network.as_ptr(), Arc::as_ptr(network)) && self.id == *id
    }

    /// Whether a line caused by this peer may be logged, within its own allowance and the one of all members.
    pub(crate) fn admits(&self) -> bool {
        let network = self.network.upgrade();
        self.log.admits() && network.is_none_or(|network| network.logs.members.admits())
    }

    #[inline]
    fn lock(&self) -> Locked<'_> {
        // Only the `Serialize` of a message can panic under the lock, and that step is rolled back.
        Locked::new(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls the machine under the lock and performs its effects.
    #[inline]
    fn with_machine<R>(
        self: &Arc<Self>,
        call: impl FnOnce(&mut Machine<Action, Connection>) -> R,
    ) -> R {
        let mut state = self.lock();
        let result = call(&mut state.machine);
        self.settle(state);
        result
    }

    /// Performs the machine's effects and releases the lock.
    #[inline]
    fn settle(self: &Arc<Self>, state: Locked<'_>) {
        if state.machine.has_effects() {
            self.perform(state);
        }
    }

    #[cold]
    fn perform(self: &Arc<Self>, mut state: Locked<'_>) {
        let mut deferred = Deferred::default();
        // Looked up for the effects that need it: a wake-up alone touches nothing that other peers share.
        let mut node = None;
        for effect in state.machine.take_effects() {
            match effect {
                Effect::Wake => state.writer.take().into_iter().for_each(defer_wake),
                Effect::Yield => deferred.clear_lifo_slot = true,
                Effect::Changed => deferred.has_changed = true,
                Effect::Connect(wait) => deferred.connect = Some(wait),
                effect => {
                    let node = node.get_or_insert_with(|| self.node());
                    // Loggers and wakers are code of the program. The effects after this one are performed all the same.
                    guard::run_or_log("an effect of a peer panicked", || {
                        self.perform_one(node.as_ref(), &mut state, effect, &mut deferred);
                    });
                }
            }
        }
        drop(state);
        if deferred.has_changed {
            self.changed.notify_waiters();
        }
        if deferred.clear_lifo_slot {
            clear_lifo_slot();
        }
        if let Some(wait) = deferred.connect
            && let Some((_, host)) = self.node()
        {
            host.connect(self.clone(), wait);
        }
        guard::dispose_all(deferred.unperformed);
    }

    /// The node, if it is still there.
    fn node(&self) -> Option<(Arc<Network>, Arc<dyn Host>)> {
        let network = self.network.upgrade()?;
        let host = network.host.upgrade()?;
        Some((network, host))
    }

    fn perform_one(
        self: &Arc<Self>,
        node: Option<&(Arc<Network>, Arc<dyn Host>)>,
        state: &mut State,
        effect: Effect<Action>,
        deferred: &mut Deferred,
    ) {
        match (effect, node) {
            (Effect::Up(generation), node) => {
                if let Some(connection) = state.machine.connection_of(generation) {
                    let info = connection.info.clone();
                    if let Some((_, host)) = node {
                        host.event(NodeEvent::Up(info.clone()));
                    }
                    log_within!(self.log, INFO, target: "aemp::link", peer = %self.id, generation, sends = info.send_codec(), receives = info.recv_codec(), tls = info.tls().map(|tls| tls.version.as_str()), "node up");
                }
            }
            (Effect::Fail(generation), _) => {
                if let Some(connection) = state.machine.connection_of(generation) {
                    connection.cancel.cancel();
                }
            }
            (Effect::Fire(monitors, reason), Some((_, host))) => {
                for (port, action) in monitors {
                    guard::run_or_log("a monitor panicked when it fired", || {
                        host.clone().fire(&port, action, reason.clone());
                    });
                }
            }
            (Effect::Unwatch(generation, ports), Some((network, _))) => {
                for port in ports {
                    let op = Op::UnwatchRemote(generation, UnwatchCount::All);
                    network.shards.push(Item::new(port, op));
                }
            }
            (Effect::Down { generation, reason }, node) => {
                if let Some((_, host)) = node {
                    host.event(NodeEvent::Down {
                        node: self.id.clone(),
                        reason: Reason::transport_error(&self.id, &reason),
                    });
                }
                log_within!(self.log, INFO, target: "aemp::link", peer = %self.id, generation, reason = %Excerpt(&reason), "node down");
                self.log.report();
            }
            (Effect::GaveUp(reason), _) => {
                log_within!(self, INFO, target: "aemp::link", peer = %self.id, reason = %Excerpt(&reason), "no connection");
            }
            (Effect::Lost(bytes), Some((network, _))) => {
                if network.life.stop.is_cancelled() {
                    network.life.ending.add_lost(&self.id, bytes);
                }
            }
            (Effect::NotSent(port, Some(error)), _) => {
                log_within!(self, WARN, target: "aemp::link", to = %Excerpt(self.id.port(port)), error = %Excerpt(&error), "a message that waited is not sent");
            }
            (Effect::NotSent(port, None), _) => {
                log_within!(self, DEBUG, target: "aemp::link", to = %Excerpt(self.id.port(port)), "not sent, since one before it is lost");
            }
            (Effect::MoreNotSent(count), _) => {
                log_within!(self, WARN, target: "aemp::link", peer = %self.id, count, "more messages that waited are not sent");
            }
            (effect, _) => deferred.unperformed.push(effect),
        }
    }

    /// Sends a message, or queues it until there is a connection.
    pub(crate) fn send(self: &Arc<Self>, frame: &Frame<'_>) -> Result<(), SendError> {
        let sent = match is_held() {
            true => Err(EncodeError::Nested),
            false => self.with_machine(|machine| machine.send(frame)),
        };
        sent.map_err(|error| self.not_encoded(frame, error))
    }

    fn not_encoded(&self, frame: &Frame<'_>, error: EncodeError) -> SendError {
        SendError::Encode {
            to: self.id.port(frame.port),
            error,
        }
    }

    /// Sends a message with the trace that it belongs to; otherwise as [`send`](Self::send).
    #[cold]
    pub(crate) fn send_traced(
        self: &Arc<Self>,
        context: Box<TraceContext>,
        frame: &Frame<'_>,
    ) -> Result<(), SendError> {
        let sent = match is_held() {
            true => Err(EncodeError::Nested),
            false => self.with_machine(|machine| machine.send_traced(context, frame)),
        };
        sent.map_err(|error| self.not_encoded(frame, error))
    }

    /// Relays a message for another node. The message is sent unchanged or not at all.
    pub(crate) fn relay(
        self: &Arc<Self>,
        frame: &Frame<'_>,
        high_water: usize,
    ) -> Result<(), PassError> {
        self.with_machine(|machine| machine.pass_on(frame, high_water))
    }

    /// Reports that a message to `port` could not be encoded and that its sender got no error.
    pub(crate) fn report_not_sent(self: &Arc<Self>, port: &PortName, error: &EncodeError) {
        if is_held() {
            let (peer, port, error) = (self.clone(), port.clone(), error.clone());
            return when_released(move || peer.report_not_sent(&port, &error));
        }
        self.with_machine(|machine| machine.not_sent(port, error));
    }

    /// Monitors a port of this peer, or the node itself (the empty name).
    pub(crate) fn monitor(
        self: &Arc<Self>,
        port: &PortName,
        key: MonitorKey,
        then: Action,
    ) -> Monitor {
        let armed = then.armed();
        self.set_monitor(port, key, then);
        Monitor::new(self.clone(), port, key, armed)
    }

    fn set_monitor(self: &Arc<Self>, port: &PortName, key: MonitorKey, then: Action) {
        if is_held() {
            let (peer, port) = (self.clone(), port.clone());
            return when_released(move || peer.set_monitor(&port, key, then));
        }
        self.with_machine(|machine| machine.monitor(port, key, then));
    }

    /// Kills a port of this peer.
    pub(crate) fn kill(self: &Arc<Self>, port: &PortName, reason: &Reason) {
        if is_held() {
            let (peer, port, reason) = (self.clone(), port.clone(), reason.clone());
            return when_released(move || peer.kill(&port, &reason));
        }
        self.with_machine(|machine| machine.kill(port, reason));
    }

    /// Sends a message of the node itself. Elements that the codec cannot carry are replaced, so encoding never fails.
    pub(crate) fn send_internal(self: &Arc<Self>, port: &PortName, values: Values) {
        self.with_machine(|machine| machine.send_own(port, values));
    }

    /// Sends a request of the node itself over the connection `generation`; drops it if that connection is gone.
    pub(crate) fn send_internal_over(self: &Arc<Self>, generation: Generation, values: &Values) {
        self.with_machine(|machine| machine.send_request_over(generation, values));
    }

    /// Sends a ping (a `time` request) over the connection `generation`.
    pub(crate) fn ping(self: &Arc<Self>, generation: Generation) {
        let Some(network) = self.network.upgrade() else {
            return;
        };
        self.with_machine(|machine| {
            let Some(connection) = machine.connection_of(generation) else {
                return;
            };
            let pulse = connection.info.pulse().clone();
            let request = node_protocol::time(&network.id, pulse.next_ping());
            if let Some(queued) = machine.send_request_over(generation, &request) {
                pulse.ping_queued(queued);
            }
        });
    }

    /// Sends a keepalive if nothing else is queued. `is_seed` says whether the peer is a connected seed of this node.
    pub(crate) fn keepalive(self: &Arc<Self>, generation: Generation, bytes: &[u8], is_seed: bool) {
        let mut state = self.lock();
        let is_wanted = is_seed || state.is_persistent;
        let machine = &mut state.machine;
        let is_perl = machine
            .connection_of(generation)
            .is_some_and(|connection| connection.info.is_perl());
        machine.keepalive(generation, bytes, is_wanted, is_perl);
        self.settle(state);
    }

    /// Adds a monitor of the peer on a port of this node. Returns false if the peer already holds `limit` monitors.
    pub(crate) fn add_watch(&self, port: &PortName, limit: usize) -> bool {
        self.lock().machine.add_watch(port, limit)
    }

    /// Removes a monitor of the peer. Returns false if the peer has none on that port.
    pub(crate) fn remove_watch(&self, port: &PortName) -> bool {
        self.lock().machine.remove_watch(port)
    }

    /// A port of the peer has died, as the peer says. Returns the actions of the monitors on it.
    pub(crate) fn remote_port_died(&self, port: &PortName) -> impl Iterator<Item = Action> + use<> {
        self.lock().machine.remote_port_died(port)
    }

    /// Records that the reader of connection `generation` holds `bytes` bytes. Returns how many it may hold before it
    /// reports again; see [`is_recount_due`].
    pub(crate) fn report_buffered(&self, generation: Generation, bytes: usize) -> usize {
        self.lock().machine.reserve_read(generation, bytes)
    }

    /// Whether this peer has no state and no waiting messages, so that it can be dropped.
    pub(crate) fn is_idle(&self) -> bool {
        // Not `lock`: peers are swept under the lock of another one as well.
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        state.machine.is_idle()
            && self.addresses_lock().is_empty()
            && !state.is_persistent
            // Ports spawned by the peer still count for it if it connects again.
            && self.spawned.is_unused()
    }
}

impl Monitored for Peer {
    fn unmonitor(self: Arc<Self>, port: &PortName, key: MonitorKey) {
        if is_held() {
            let port = port.clone();
            return when_released(move || self.unmonitor(&port, key));
        }
        let action = self.with_machine(|machine| machine.unmonitor(port, key));
        // Not under the lock: dropping an action may run user code, which may drop another monitor of this peer.
        guard::dispose(action);
    }
}

impl RemoteWatcher for Peer {
    fn port_died(self: Arc<Self>, generation: Generation, port: &PortName, reason: &Reason) {
        self.with_machine(|machine| machine.local_port_died(generation, port, reason));
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use crate::lifecycle::Lifecycle;
    use crate::monitor::Action;
    use crate::shard::Shards;

    use super::*;

    struct Nobody;

    impl Host for Nobody {
        fn fire(self: Arc<Self>, _: &PortName, _: Action, _: Reason) {}
        fn event(&self, _: NodeEvent) {}
        fn connect(self: Arc<Self>, _: Arc<Peer>, _: Wait) {}
    }

    /// The network of a node that is gone.
    pub(super) fn network() -> Arc<Network> {
        let id: NodeId = "us".parse().unwrap();
        let runtime = tokio::runtime::Handle::current();
        let life = Lifecycle::new(id.clone(), runtime);
        let gone: Weak<Nobody> = Weak::new();
        let shards = Arc::new(Shards::new(&Config::default(), 0));
        Network::new(id, Arc::new(Config::default()), life, shards, gone)
    }
}
