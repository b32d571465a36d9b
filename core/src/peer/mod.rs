//! `Peer`: another node as this one sees it: what waits for it, its link while there is one, and our monitors on
//! its ports.
//!
//! Everything about a peer that is shared stands behind one lock, held for an append or a look and never across
//! an `.await`. Under it only the queues of shards, the senders of events and the taps are locked. Each connection is a
//! [`Generation`]: when one is lost, all that belongs to it is settled under that lock, so that the next cannot carry a
//! message before.

mod admission;
#[cfg(aemp_faults)]
mod broken;
mod closing;
mod outgoing;
mod pool;
mod request;
mod waiting;
mod waits;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aemp_proto::map::HashMap;
use aemp_proto::monitor::{MonitorKey, MonitorTable};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::allowance::log_within;
use crate::codec::{Capabilities, Codec, Encoder, Frame, Limits, PeerInfo, guarded};
use crate::error::SendError;
use crate::guard;
use crate::link::LinkInfo;
use crate::message::Values;
use crate::monitor::{Action, Monitor, Target};
use crate::node::{Inner, LinkStats, NodeEvent, Taps, Traffic, room_for};
use crate::runtime::make_way;
use crate::shard::{Asked, Item, What};
use crate::{Address, Config, Excerpt, LogAllowance, NodeId, PortName, Reason};

use admission::Admission;
pub(crate) use admission::{Opening, Refused, Stage};
pub(crate) use outgoing::{Answers, Chunk, Unsent, Written};
use outgoing::{Large, Outbox};
use pool::Share;
pub(crate) use pool::{Pool, evict_largest, is_recount_due};
pub(crate) use request::ALIVE;
pub(crate) use waiting::Wait;
use waiting::{Waited, Waiting};

/// Which connection of this node: they are numbered as they come up, and what belongs to a lost one never gets into
/// the next.
pub(crate) type Generation = u64;

pub(crate) struct Peer {
    pub(crate) id: NodeId,
    node: Weak<Inner>,
    /// The node's setting.
    queue_limit: usize,
    /// What is held for all peers.
    pool: Arc<Pool>,
    /// Room for ports that this peer has spawned here.
    spawned: Arc<Semaphore>,
    /// The node's setting.
    peer_ports: usize,
    state: Mutex<State>,
    /// The link came up or went down, an opening ended, or much was written.
    changed: Notify,
    log: LogAllowance,
}

struct State {
    link: Link,
    monitors: MonitorTable<Action>,
    addresses: Vec<Address>,
    /// Where the directory said that it listens, for the next attempt.
    found: Vec<Address>,
    /// The address that gave a connection last.
    reached_at: Option<Address>,
    admission: Admission,
    generation: Generation,
    last_wait: Wait,
    /// A connection is wanted although nothing may be sent over it.
    kept: bool,
    /// The directory knows where it listens.
    findable: bool,
}

/// Bytes that a monitor of a peer takes here and at the port, about.
const WATCH: usize = 128;

/// The place of a port that a peer has spawned, among its own and those of all peers.
pub(crate) struct SpawnPlace {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

enum Link {
    /// No connection, and nothing that needs one.
    Down,
    /// No connection yet, and messages that wait for one.
    Waiting(Waiting),
    Up(Box<Up>),
}

struct Up {
    generation: Generation,
    codec: Arc<dyn Codec>,
    facts: PeerInfo,
    /// What the codec can carry to the peer, and how it writes: asked once, since each message needs both.
    capabilities: Capabilities,
    encoder: Encoder,
    info: LinkInfo,
    taps: Arc<Taps>,
    out: Outbox,
    sent: Traffic,
    /// What a message must keep within: what this node takes itself.
    limits: Limits,
    /// The last message that may have been too large for the peer.
    large: Option<Large>,
    /// Our ports that the peer watches, with how often it asked.
    watched: HashMap<PortName, usize>,
    watches: usize,
    /// Bytes of the names of those ports.
    watched_names: usize,
    watches_share: Share,
    /// For what was read of a message that is not whole.
    reading: Share,
    /// Ends the link's task.
    cancel: CancellationToken,
    /// Why the link is given up, if it is: nothing more is sent on it.
    failed: Option<String>,
    /// What waits for the next connection, if this one is being closed in order.
    closing: Option<Waiting>,
}

impl Peer {
    pub(crate) fn new(
        id: NodeId,
        node: Weak<Inner>,
        config: &Config,
        pool: &Arc<Pool>,
    ) -> Arc<Self> {
        let state = State {
            link: Link::Down,
            monitors: MonitorTable::default(),
            addresses: Vec::new(),
            found: Vec::new(),
            reached_at: None,
            admission: Admission::default(),
            generation: 0,
            last_wait: Wait::default(),
            kept: false,
            findable: false,
        };
        let log = LogAllowance::new(id.as_str(), 50, Duration::from_secs(1));
        Arc::new(Self {
            id,
            node,
            queue_limit: config.queue_limit,
            pool: pool.clone(),
            spawned: room_for(config.peer_ports),
            peer_ports: config.peer_ports,
            state: Mutex::new(state),
            changed: Notify::new(),
            log,
        })
    }

    /// Whether this is what `node` knows of the node called `id`.
    #[inline]
    pub(crate) fn is(&self, node: &Arc<Inner>, id: &NodeId) -> bool {
        // Its memory stays taken while we refer to it, so no later node has that address.
        std::ptr::eq(self.node.as_ptr(), Arc::as_ptr(node)) && self.id == *id
    }

    /// Whether a line may be logged that this peer has caused: of all that members cause, and of its own share.
    pub(crate) fn admits(&self) -> bool {
        let node = self.node.upgrade();
        self.log.admits() && node.is_none_or(|node| node.logs.members.admits())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock can only come from a message's own `Serialize`, and that step undoes itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message, or lets it wait for a connection.
    pub(crate) fn send(self: &Arc<Self>, frame: &Frame<'_>) -> Result<(), SendError> {
        let refused = |error| SendError::Encode {
            to: self.id.port(frame.port),
            error,
        };
        let mut state = self.lock();
        match &mut state.link {
            Link::Up(up) if !up.is_closing() => {
                let late = up.out.is_late();
                up.send(frame, self.queue_limit).map_err(refused)?;
                if late {
                    drop(state);
                    make_way();
                }
                Ok(())
            }
            _ => {
                let values = frame.to_values().map_err(refused)?;
                let message = Waited {
                    port: frame.port.into(),
                    values,
                    own: false,
                };
                let wait = self.let_wait(&mut state, message);
                drop(state);
                self.connect(wait);
                Ok(())
            }
        }
    }

    /// Monitors a port of this peer, or the node itself (the empty name), which sends no `mon1` (protocol.md
    /// section 5).
    pub(crate) fn monitor(
        self: &Arc<Self>,
        port: &PortName,
        key: MonitorKey,
        then: Action,
    ) -> Monitor {
        let armed = then.armed();
        let wait = {
            let mut state = self.lock();
            let first = state.monitors.add(port, key, then);
            if first && !port.is_node_port() {
                self.request(&mut state, request::mon1(port))
            } else {
                state.wanted()
            }
        };
        self.connect(wait);
        Monitor::new(Target::Peer(self.clone(), port.clone(), key), armed)
    }

    pub(crate) fn unmonitor(self: &Arc<Self>, port: &PortName, key: MonitorKey) {
        let mut state = self.lock();
        let removed = state.monitors.remove(port, key);
        let last = removed.as_ref().is_some_and(|(_, last)| *last);
        // Without a connection there is nobody who watches.
        #[cfg(aemp_faults)]
        let last = last && !aemp_proto::faults::is(aemp_proto::faults::Fault::KeepsMonitors);
        if last && !port.is_node_port() && !matches!(state.link, Link::Down) {
            self.request(&mut state, request::mon0(port));
        }
        // An action is user code to drop, which may end another monitor here: not under the lock.
        drop(state);
        guard::dispose(removed);
    }

    /// Kills a port of this peer.
    pub(crate) fn kill(self: &Arc<Self>, port: &PortName, reason: Reason) {
        let mut state = self.lock();
        #[cfg(aemp_faults)]
        let before = state.link.queued();
        let wait = self.request(&mut state, request::kil1(port, &reason));
        #[cfg(aemp_faults)]
        self.break_kill(&mut state, before);
        drop(state);
        self.connect(wait);
    }

    /// Sends what the node itself has to say, which never fails to encode: what the codec lacks is replaced by its
    /// diagnostic text.
    pub(crate) fn tell(self: &Arc<Self>, port: &PortName, values: Values) {
        let mut state = self.lock();
        let wait = self.request_to(&mut state, port, values);
        drop(state);
        self.connect(wait);
    }

    /// Sends a request of the node's own over the connection `generation` and no other: nothing is sent if that is not up,
    /// or about to close.
    pub(crate) fn tell_over(&self, generation: Generation, values: &Values) {
        let mut state = self.lock();
        if let Some(up) = state.up(generation)
            && up.closing.is_none()
        {
            up.send_fitting(&PortName::NODE_PORT, values, self.queue_limit);
        }
    }

    /// Connects to the peer at `addresses`, unless it is connected or about to be.
    pub(crate) fn connect_to(self: &Arc<Self>, addresses: Vec<Address>) {
        let mut state = self.lock();
        state.found = addresses;
        let wait = state.wanted();
        drop(state);
        self.connect(wait);
    }

    /// A port of ours that the peer watches over connection `generation` has died.
    pub(crate) fn port_died(
        self: &Arc<Self>,
        generation: Generation,
        port: &PortName,
        reason: &Reason,
    ) {
        let mut state = self.lock();
        let Link::Up(up) = &mut state.link else {
            return;
        };
        // Where the connection is closing, the peer's monitors fire with its end.
        if up.generation != generation || !up.forget_watch(port) || up.is_closing() {
            return;
        }
        self.request(&mut state, request::kil0(port, reason));
    }

    /// A place for a port that the peer wants to have spawned here.
    ///
    /// # Errors
    /// The limit that there is no room within.
    pub(crate) fn spawn_place(&self, node: &Inner) -> Result<SpawnPlace, String> {
        let own = self.spawned.clone().try_acquire_owned();
        let own = own.map_err(|_| format!("{} of this peer live (peer_ports)", self.peer_ports))?;
        let of_all = node.spawned.clone().try_acquire_owned();
        let of_all = of_all.map_err(|_| {
            let limit = node.config.spawned_ports;
            format!("{limit} of all peers live (spawned_ports)")
        })?;
        Ok(SpawnPlace {
            _own: own,
            _of_all: of_all,
        })
    }

    /// The peer asks to be told of a port's death. False if it holds more monitors than it may.
    pub(crate) fn add_watch(&self, port: &PortName, limit: usize) -> bool {
        let mut state = self.lock();
        let Link::Up(up) = &mut state.link else {
            return true;
        };
        if up.watches >= limit {
            return false;
        }
        up.watches += 1;
        up.watched_names += port.as_str().len();
        if up.failed.is_none() {
            up.watches_share.fit(up.watches * WATCH + up.watched_names);
        }
        *up.watched.entry(port.clone()).or_default() += 1;
        true
    }

    /// The peer takes one of its monitors back. False if it has none there.
    pub(crate) fn remove_watch(&self, port: &PortName) -> bool {
        let mut state = self.lock();
        let Link::Up(up) = &mut state.link else {
            return false;
        };
        up.forget_watch(port)
    }

    /// The peer says that a port of its has died: what our monitors on it do.
    pub(crate) fn take_fired(&self, port: &PortName) -> impl Iterator<Item = Action> + use<> {
        self.lock().monitors.fire(port)
    }

    /// A connection is authenticated: what waits is encoded in order, then messages flow.
    pub(crate) fn up(
        self: &Arc<Self>,
        codec: Arc<dyn Codec>,
        facts: &PeerInfo,
        info: LinkInfo,
        cancel: CancellationToken,
    ) -> Generation {
        let node = self.node.upgrade();
        let mut state = self.lock();
        let generation = node
            .as_ref()
            .map_or(state.generation + 1, |node| node.next_generation());
        state.generation = generation;
        let info = info.numbered(generation);
        let limits = node.as_ref().map(|node| node.config.limits.clone());
        let limits = limits.unwrap_or_default();
        let taps = node.map(|node| node.taps.clone()).unwrap_or_default();
        // Before what is sent on it.
        taps.up(&info);
        let mut capabilities = codec.capabilities(facts);
        capabilities.depth = capabilities.depth.min(limits.depth);
        let out = Outbox::new(&self.pool);
        let up = Up {
            generation,
            capabilities,
            encoder: guarded(codec.encoder()),
            facts: facts.clone(),
            codec,
            info: info.clone(),
            taps,
            out,
            sent: Traffic::default(),
            limits,
            large: None,
            watched: HashMap::default(),
            watches: 0,
            watched_names: 0,
            watches_share: Share::of(&self.pool),
            reading: Share::of(&self.pool),
            cancel,
            failed: None,
            closing: None,
        };
        let before = std::mem::replace(&mut state.link, Link::Up(Box::new(up)));
        #[cfg(aemp_faults)]
        let before = self.break_up(&mut state, before);
        if let Link::Waiting(waiting) = before {
            // The codec may be the program's. The task that carries the connection is not at work yet.
            let sent = guard::run(|| self.send_waited(&mut state, waiting));
            if let (Err(panic), Link::Up(up)) = (sent, &mut state.link) {
                up.fail(format!("the codec panicked: {panic}"));
            }
        }
        log_within!(self.log, INFO, target: "aemp::link", peer = %self.id, generation, sends = info.sends(), receives = info.receives(), "node up");
        #[cfg(aemp_faults)]
        if aemp_proto::faults::is(aemp_proto::faults::Fault::UpTwice) {
            self.event(NodeEvent::Up(info.clone()));
        }
        self.event(NodeEvent::Up(info));
        drop(state);
        self.changed.notify_waiters();
        generation
    }

    /// The connection `generation` is lost, for the reason in `text`: all that belongs to it is settled.
    pub(crate) fn down(self: &Arc<Self>, generation: Generation, text: &str) {
        let mut state = self.lock();
        match &state.link {
            Link::Up(up) if up.generation == generation => {}
            _ => return,
        }
        let Link::Up(mut up) = std::mem::replace(&mut state.link, Link::Down) else {
            return;
        };
        let (said, next) = (up.is_closing(), up.take_next());
        let text = up.failed.as_deref().unwrap_or(text);
        up.taps.down(&up.info, text);
        #[cfg(aemp_faults)]
        if !said {
            self.break_down(&mut state, &up, text);
        }
        match next {
            // What was monitored before it began to close has fired.
            Some(next) if !(next.queue.is_empty() && state.monitors.is_empty()) => {
                state.link = Link::Waiting(next);
            }
            Some(_) => {}
            None => self.fire_all(&mut state, text),
        }
        let wait = match &state.link {
            Link::Waiting(next) => Some(next.number),
            _ => None,
        };
        if let Some(node) = self.node.upgrade() {
            if node.stop.is_cancelled() {
                node.ending.lost(&self.id, up.out.queued());
            }
            // In an order that is the same in every run: it decides which shard wakes first.
            let mut watched: Vec<_> = up.watched.into_keys().collect();
            watched.sort_unstable();
            for port in watched {
                let what = What::UnwatchPeer(generation, Asked::All);
                node.shards.push(Item::new(port, what));
            }
        }
        if !said {
            self.say_down(generation, text);
        }
        drop(state);
        self.changed.notify_waiters();
        self.connect(wait);
    }

    /// Tells that the connection `generation` is down.
    fn say_down(&self, generation: Generation, text: &str) {
        log_within!(self.log, INFO, target: "aemp::link", peer = %self.id, generation, reason = %Excerpt(text), "node down");
        self.log.report();
        self.event(NodeEvent::Down {
            node: self.id.clone(),
            reason: Reason::transport_error(&self.id, text),
        });
    }

    /// No connection can be had for what waits as `wait`: it is dropped and our monitors fire.
    pub(crate) fn unreachable(&self, wait: Wait, text: &str) {
        let mut state = self.lock();
        if state.waits(wait) {
            self.give_up(&mut state, text);
        }
    }

    fn give_up(&self, state: &mut State, text: &str) {
        log_within!(self, INFO, target: "aemp::link", peer = %self.id, reason = %Excerpt(text), "no connection");
        let lost = std::mem::replace(&mut state.link, Link::Down).queued();
        if let Some(node) = self.node.upgrade()
            && node.stop.is_cancelled()
        {
            node.ending.lost(&self.id, lost);
        }
        self.fire_all(state, text);
        self.changed.notify_waiters();
    }

    fn fire_all(&self, state: &mut State, text: &str) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let reason = Reason::transport_error(&self.id, text);
        for (port, action) in state.monitors.drain() {
            node.fire(&port, action, reason.clone());
        }
    }

    /// Gives the link of `generation` up, if it is up, for the reason in `text`.
    pub(crate) fn fail_link(&self, generation: Generation, text: &str) {
        if let Some(up) = self.lock().up(generation) {
            up.fail(text.to_owned());
        }
    }

    /// The same, and waits until it is down.
    pub(crate) async fn end_link(&self, generation: Generation, text: &str) {
        let is_up =
            |state: &State| matches!(&state.link, Link::Up(up) if up.generation == generation);
        self.fail_link(generation, text);
        self.until(|state| !is_up(state)).await;
    }

    /// A request came over connection `generation` that means nothing here.
    pub(crate) fn count_odd(&self, generation: Generation) {
        if let Some(up) = self.lock().up(generation) {
            up.info.pulse().count_odd();
        }
    }

    /// A request or relay that came over connection `generation` was not carried out.
    pub(crate) fn count_refused(&self, generation: Generation) {
        if let Some(up) = self.lock().up(generation) {
            up.info.pulse().count_refused();
        }
    }

    /// The peer answers our question `number` over connection `generation`. False if that was not asked.
    pub(crate) fn answered(&self, generation: Generation, number: u64) -> bool {
        let mut state = self.lock();
        let up = state.up(generation);
        up.is_some_and(|up| up.info.pulse().answered(number))
    }

    /// What the link has done so far, while it is up.
    pub(crate) fn stats(&self) -> Option<LinkStats> {
        let state = self.lock();
        let up = match &state.link {
            Link::Up(up) if !up.is_closing() => up,
            _ => return None,
        };
        let pulse = up.info.pulse();
        Some(LinkStats {
            link: up.info.clone(),
            sent: up.sent,
            received: Traffic {
                messages: pulse.messages(),
                bytes: pulse.bytes(),
            },
            queued: up.out.queued(),
            last_read: pulse.unread(),
            round_trip: pulse.round_trip(),
            monitors: state.monitors.len(),
            watches: up.watches,
            odd: pulse.odd(),
            refused: pulse.refused(),
        })
    }

    /// The link while it is up.
    pub(crate) fn link(&self) -> Option<LinkInfo> {
        match &self.lock().link {
            Link::Up(up) if !up.is_closing() => Some(up.info.clone()),
            _ => None,
        }
    }

    /// Whether nothing is known of this peer and nothing waits for it, so that it can be forgotten.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        matches!(state.link, Link::Down)
            && state.monitors.is_empty()
            && state.addresses.is_empty()
            && state.admission.is_empty()
            && !state.kept
            // Should it come back, they are still its own.
            && Arc::strong_count(&self.spawned) == 1
    }

    /// Where the directory has said that it listens, to be used once: it may listen elsewhere by the next time.
    pub(crate) fn take_found(&self) -> Vec<Address> {
        std::mem::take(&mut self.lock().found)
    }

    /// Where to connect to, best first: what worked last, then in the order given.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let state = self.lock();
        let mut addresses = state.addresses.clone();
        // Stable; `false` sorts first.
        addresses.sort_by_key(|address| Some(address) != state.reached_at.as_ref());
        addresses
    }

    /// `address` gave a connection.
    pub(crate) fn reached_at(&self, address: &Address) {
        self.lock().reached_at = Some(address.clone());
    }

    pub(crate) fn add_address(&self, address: Address) {
        self.lock().addresses.push(address);
    }

    pub(crate) fn set_addresses(&self, addresses: Vec<Address>) {
        self.lock().addresses = addresses;
    }

    /// Starts to connect for what waits as `wait`, in a task of the node. Not under the lock.
    fn connect(self: &Arc<Self>, wait: Option<Wait>) {
        if let (Some(wait), Some(node)) = (wait, self.node.upgrade()) {
            crate::link::connect_on_demand(&node, self.clone(), wait);
        }
    }

    fn event(&self, event: NodeEvent) {
        if let Some(node) = self.node.upgrade() {
            node.event(event);
        }
    }
}

impl State {
    /// The connection `generation`, if it is up.
    fn up(&mut self, generation: Generation) -> Option<&mut Up> {
        match &mut self.link {
            Link::Up(up) if up.generation == generation => Some(up),
            _ => None,
        }
    }
}

impl Link {
    fn queued(&self) -> usize {
        match self {
            Self::Down => 0,
            Self::Waiting(waiting) => waiting.bytes,
            Self::Up(up) => up.out.queued() + up.closing.as_ref().map_or(0, |next| next.bytes),
        }
    }
}

impl Up {
    fn forget_watch(&mut self, port: &PortName) -> bool {
        let Some(times) = self.watched.get_mut(port) else {
            return false;
        };
        *times -= 1;
        self.watches -= 1;
        self.watched_names -= port.as_str().len();
        if self.failed.is_none() {
            self.watches_share
                .fit(self.watches * WATCH + self.watched_names);
        }
        if *times == 0 {
            self.watched.remove(port);
        }
        true
    }

    /// Gives the link up. What is queued is lost, and what waits for the next one if this one is closing; the memory is
    /// free at once.
    fn fail(&mut self, text: String) {
        if self.failed.is_none() {
            self.failed = Some(text);
            self.out.clear();
            self.watches_share.clear();
            self.reading.clear();
            if let Some(next) = &mut self.closing {
                next.clear();
            }
            self.cancel.cancel();
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({})", self.id)
    }
}
