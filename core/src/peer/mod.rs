//! `Peer`: the shell of a [peer machine](Machine). It holds the machine's lock and performs the machine's effects under
//! it, so that all that belongs to a lost connection is settled before the next one carries a message.
//!
//! The lock is held for a call of the machine and never across an `.await`. Under it only the queues of shards, the
//! senders of events and the taps are locked.

mod addresses;
mod connection;
mod network;
mod opening;
mod peers;
mod pool;
mod spawned;
mod stats;
mod waits;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use aemp_proto::monitor::MonitorKey;
use aemp_proto::node_protocol;
use aemp_proto::peer::{Effect, Effects, Machine};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::allowance::log_within;
use crate::codec::{Codec, EncodeError, Frame, PeerInfo};
use crate::error::SendError;
use crate::guard;
use crate::message::Values;
use crate::monitor::{Action, Monitor, Monitored};
use crate::shard::{Item, Op, RemoteWatcher, UnwatchCount};
use crate::traffic::{LinkInfo, NodeEvent};
use crate::watchdog::{make_way, soon};
use crate::{Excerpt, LogAllowance, NodeId, PortName, Reason};

use addresses::Addresses;
use connection::Connection;
use spawned::Spawned;

pub(crate) use aemp_proto::peer::{Answers, Chunk, Generation, PassError, Stage, Wait, Written};
pub(crate) use network::{Host, Network, room_for};
pub(crate) use opening::{Opening, Refused};
use peers::Peers;
pub(crate) use peers::{keep_last, take_last};
pub(crate) use pool::{Pool, evict_largest, is_recount_due};
pub(crate) use spawned::SpawnPlace;

pub(crate) struct Peer {
    pub(crate) id: NodeId,
    network: Weak<Network>,
    state: Mutex<State>,
    /// The link came up or went down, an opening ended, or much was written.
    changed: Notify,
    spawned: Spawned,
    log: LogAllowance,
    /// What the machine's times count from.
    began: Instant,
}

struct State {
    machine: Machine<Action, Connection>,
    /// The task that writes, when it waits for bytes.
    writer: Option<Waker>,
    addresses: Addresses,
    /// A connection is wanted although nothing may be sent over it.
    is_kept: bool,
}

/// What is left to do when the lock is let go.
#[derive(Default)]
struct Later {
    connect: Option<Wait>,
    has_changed: bool,
    make_way: bool,
    /// Effects that nobody can perform: the node is gone. To drop an action is to run user code.
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
            addresses: Addresses::default(),
            is_kept: false,
        };
        let log = LogAllowance::new(id.as_str(), 50, Duration::from_secs(1));
        Arc::new(Self {
            id,
            network: Arc::downgrade(network),
            state: Mutex::new(state),
            changed: Notify::new(),
            spawned: Spawned::new(config.peer_ports),
            log,
            began: Instant::now(),
        })
    }

    /// Whether this is what the node of `network` knows of the node called `id`.
    #[inline]
    pub(crate) fn is(&self, network: &Arc<Network>, id: &NodeId) -> bool {
        // Its memory stays taken while we refer to it, so no later one has that address.
        std::ptr::eq(self.network.as_ptr(), Arc::as_ptr(network)) && self.id == *id
    }

    /// Whether a line may be logged that this peer has caused: of all that members cause, and of its own share.
    pub(crate) fn admits(&self) -> bool {
        let network = self.network.upgrade();
        self.log.admits() && network.is_none_or(|network| network.logs.members.admits())
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock can only come from a message's own `Serialize`, and that step undoes itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the machine under the lock, and has its effects performed.
    #[inline]
    fn with<R>(self: &Arc<Self>, call: impl FnOnce(&mut Machine<Action, Connection>) -> R) -> R {
        let mut state = self.lock();
        let result = call(&mut state.machine);
        self.settle(state);
        result
    }

    /// Performs the machine's effects, and lets go of the lock.
    #[inline]
    fn settle(self: &Arc<Self>, state: MutexGuard<'_, State>) {
        if state.machine.has_effects() {
            self.perform(state);
        }
    }

    #[cold]
    fn perform(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let mut later = Later::default();
        let network = self.network.upgrade();
        let host = network.as_ref().and_then(|network| network.host.upgrade());
        let node = network.as_ref().zip(host.as_ref());
        for effect in state.machine.take_effects() {
            self.perform_one(node, &mut state, effect, &mut later);
        }
        drop(state);
        if later.has_changed {
            self.changed.notify_waiters();
        }
        if later.make_way {
            make_way();
        }
        if let (Some(wait), Some(host)) = (later.connect, host) {
            host.connect(self.clone(), wait);
        }
        guard::dispose_all(later.unperformed);
    }

    fn perform_one(
        self: &Arc<Self>,
        node: Option<(&Arc<Network>, &Arc<dyn Host>)>,
        state: &mut State,
        effect: Effect<Action>,
        later: &mut Later,
    ) {
        match (effect, node) {
            (Effect::Wake, _) => state.writer.take().into_iter().for_each(soon),
            (Effect::Yield, _) => later.make_way = true,
            (Effect::Changed, _) => later.has_changed = true,
            (Effect::Connect(wait), _) => later.connect = Some(wait),
            (Effect::Up(generation), node) => {
                if let Some(connection) = state.machine.connection_of(generation) {
                    let info = connection.info.clone();
                    log_within!(self.log, INFO, target: "aemp::link", peer = %self.id, generation, sends = info.sends(), receives = info.receives(), "node up");
                    if let Some((_, host)) = node {
                        host.event(NodeEvent::Up(info));
                    }
                }
            }
            (Effect::Fail(generation), _) => {
                if let Some(connection) = state.machine.connection_of(generation) {
                    connection.cancel.cancel();
                }
            }
            (Effect::Fire(monitors, reason), Some((_, host))) => {
                for (port, action) in monitors {
                    host.clone().fire(&port, action, reason.clone());
                }
            }
            (Effect::Unwatch(generation, ports), Some((network, _))) => {
                for port in ports {
                    let op = Op::UnwatchRemote(generation, UnwatchCount::All);
                    network.shards.push(Item::new(port, op));
                }
            }
            (Effect::Down { generation, reason }, node) => {
                log_within!(self.log, INFO, target: "aemp::link", peer = %self.id, generation, reason = %Excerpt(&reason), "node down");
                self.log.report();
                if let Some((_, host)) = node {
                    host.event(NodeEvent::Down {
                        node: self.id.clone(),
                        reason: Reason::transport_error(&self.id, reason),
                    });
                }
            }
            (Effect::GaveUp(reason), _) => {
                log_within!(self, INFO, target: "aemp::link", peer = %self.id, reason = %Excerpt(&reason), "no connection");
            }
            (Effect::Lost(bytes), Some((network, _))) => {
                if network.life.stop.is_cancelled() {
                    network.life.ending.lost(&self.id, bytes);
                }
            }
            (Effect::NotSent(port, Some(error)), _) => {
                log_within!(self, WARN, target: "aemp::link", to = %Excerpt(self.id.port(port)), error = %Excerpt(&error), "a message that waited is not sent");
            }
            (Effect::NotSent(port, None), _) => {
                log_within!(self, DEBUG, target: "aemp::link", to = %Excerpt(self.id.port(port)), "not sent, since one before it is lost");
            }
            (effect, _) => later.unperformed.push(effect),
        }
    }

    /// Sends a message, or lets it wait for a connection.
    pub(crate) fn send(self: &Arc<Self>, frame: &Frame<'_>) -> Result<(), SendError> {
        let sent = self.with(|machine| machine.send(frame));
        sent.map_err(|error| SendError::Encode {
            to: self.id.port(frame.port),
            error,
        })
    }

    /// Sends a message that another node has asked to be sent, as it is or not at all.
    pub(crate) fn pass_on(
        self: &Arc<Self>,
        frame: &Frame<'_>,
        high_water: usize,
    ) -> Result<(), PassError> {
        self.with(|machine| machine.pass_on(frame, high_water))
    }

    /// A message to `port` could not be encoded, and its sender has not been told.
    pub(crate) fn report_not_sent(self: &Arc<Self>, port: &PortName, error: &EncodeError) {
        self.with(|machine| machine.not_sent(port, error));
    }

    /// Monitors a port of this peer, or the node itself (the empty name).
    pub(crate) fn monitor(
        self: &Arc<Self>,
        port: &PortName,
        key: MonitorKey,
        then: Action,
    ) -> Monitor {
        let armed = then.armed();
        self.with(|machine| machine.monitor(port, key, then));
        Monitor::new(self.clone(), port, key, armed)
    }

    /// Kills a port of this peer.
    pub(crate) fn kill(self: &Arc<Self>, port: &PortName, reason: &Reason) {
        self.with(|machine| machine.kill(port, reason));
    }

    /// Sends what the node itself has to say, which never fails to encode.
    pub(crate) fn tell(self: &Arc<Self>, port: &PortName, values: Values) {
        self.with(|machine| machine.tell(port, values));
    }

    /// Sends a request of the node's own over the connection `generation` and no other.
    pub(crate) fn tell_over(self: &Arc<Self>, generation: Generation, values: &Values) {
        self.with(|machine| machine.tell_over(generation, values));
    }

    /// Asks the peer for a sign of life over the connection `generation`.
    pub(crate) fn ask(self: &Arc<Self>, generation: Generation) {
        let Some(network) = self.network.upgrade() else {
            return;
        };
        self.with(|machine| {
            let Some(connection) = machine.connection_of(generation) else {
                return;
            };
            let pulse = connection.info.pulse().clone();
            let request = node_protocol::time(&network.id, pulse.ask());
            if let Some(queued) = machine.tell_over(generation, &request) {
                pulse.asked(queued);
            }
        });
    }

    /// Lets a keepalive go out if nothing else waits. `is_seed` is whether the node keeps a connection to this peer as to
    /// a seed.
    pub(crate) fn keepalive(self: &Arc<Self>, generation: Generation, bytes: &[u8], is_seed: bool) {
        let mut state = self.lock();
        let is_wanted = is_seed || state.is_kept;
        let machine = &mut state.machine;
        let is_perl = machine
            .connection_of(generation)
            .is_some_and(|connection| connection.info.is_perl());
        machine.keepalive(generation, bytes, is_wanted, is_perl);
        self.settle(state);
    }

    /// The peer asks to be told of a port's death. False if it holds more monitors than it may.
    pub(crate) fn add_watch(&self, port: &PortName, limit: usize) -> bool {
        self.lock().machine.add_watch(port, limit)
    }

    /// The peer takes one of its monitors back. False if it has none there.
    pub(crate) fn remove_watch(&self, port: &PortName) -> bool {
        self.lock().machine.remove_watch(port)
    }

    /// The peer says that a port of its has died: our monitors on it fire. False if there are none.
    pub(crate) fn died(self: &Arc<Self>, port: &PortName, reason: Reason) -> bool {
        self.with(|machine| machine.died(port, reason))
    }

    /// A connection is authenticated: what waits is encoded in order, then messages flow.
    pub(crate) fn up(
        self: &Arc<Self>,
        codec: Arc<dyn Codec>,
        facts: &PeerInfo,
        info: LinkInfo,
        cancel: CancellationToken,
    ) -> Generation {
        let network = self.network.upgrade();
        let mut state = self.lock();
        let next = state.machine.generation() + 1;
        let generation = network
            .as_ref()
            .map_or(next, |network| network.next_generation());
        let info = info.numbered(generation);
        let connection = Connection::new(network.as_ref(), codec, facts, info, cancel);
        state.machine.up(generation, connection);
        self.settle(state);
        generation
    }

    /// The connection `generation` is lost, for the reason in `why`: all that belongs to it is settled.
    pub(crate) fn down(self: &Arc<Self>, generation: Generation, why: &str) {
        let mut state = self.lock();
        if let Some((connection, why)) = state.machine.down(generation, why) {
            connection.down(&why);
        }
        self.settle(state);
    }

    /// The peer has closed the connection `generation`: our monitors fire. What is queued still goes out.
    pub(crate) fn peer_closed(self: &Arc<Self>, generation: Generation, why: &str) {
        self.with(|machine| machine.peer_closed(generation, why));
    }

    /// No connection can be had for what waits as `wait`.
    pub(crate) fn unreachable(self: &Arc<Self>, wait: Wait, why: &str) {
        self.with(|machine| machine.unreachable(wait, why));
    }

    /// Gives the link of `generation` up, if it is up, for the reason in `why`.
    pub(crate) fn fail_link(self: &Arc<Self>, generation: Generation, why: &str) {
        self.with(|machine| machine.fail(generation, why));
    }

    /// The same, and waits until it is down.
    pub(crate) async fn end_link(self: &Arc<Self>, generation: Generation, why: &str) {
        self.fail_link(generation, why);
        self.until(|state| state.machine.connection_of(generation).is_none())
            .await;
    }

    /// The reader of connection `generation` holds so many bytes. How many it may hold before it says so again; see
    /// [`is_recount_due`].
    pub(crate) fn reads(&self, generation: Generation, bytes: usize) -> usize {
        self.lock().machine.reads(generation, bytes)
    }

    /// Whether nothing is known of this peer and nothing waits for it, so that it can be forgotten.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.machine.is_idle()
            && state.addresses.is_empty()
            && !state.is_kept
            // Should it come back, they are still its own.
            && self.spawned.is_unused()
    }
}

impl Monitored for Peer {
    fn unmonitor(self: Arc<Self>, port: &PortName, key: MonitorKey) {
        let action = self.with(|machine| machine.unmonitor(port, key));
        // An action is user code to drop, which may end another monitor here: not under the lock.
        guard::dispose(action);
    }
}

impl RemoteWatcher for Peer {
    fn port_died(self: Arc<Self>, generation: Generation, port: &PortName, reason: &Reason) {
        self.with(|machine| machine.port_died(generation, port, reason));
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
        let shards = Arc::new(Shards::new(1, 0));
        Network::new(id, Arc::new(Config::default()), life, shards, gone)
    }
}
