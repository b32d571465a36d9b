//! Drives the directory's state machine: feeds it events, and performs its outputs.
//!
//! One lock protects the machine and the receivers of its answers. The tasks of links, programs and the [`run`] task lock
//! it for one step. Peers are locked under it, to send; it is never locked under a peer's lock.
//!
//! A step takes a few milliseconds at most, whatever a peer has sent: the machine divides large work, and outputs are
//! performed within the budget of a turn. The [`run`] task performs the remaining ones, step by step, and yields in
//! between; meanwhile other steps perform only the outputs for their cause. A link does not read on while the directory
//! still processes requests of its peer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aemp_proto::directory::{Arrival, Machine, Request, Role, Seeds, Settings};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::watch::Feed;
use crate::link::SeedState;
use crate::message::IntoIter;
use crate::node::Inner;
use crate::peer::{Generation, Peer, assert_not_held};
use crate::runtime::yield_to_runtime;
use crate::{Address, NodeId, Text, Value};

/// Yields at most before the [`run`] task takes a contended lock again.
const MAX_YIELDS: usize = 16;

/// The cause of a step, which selects the outputs that it performs.
#[derive(Clone, Copy)]
enum Cause<'a> {
    /// The [`run`] task, which performs the outputs that other steps have left.
    Run,
    /// A program of this node, or a connection that comes up or goes down.
    Local,
    /// A request of this peer.
    Peer(&'a NodeId),
}

/// The directory of one node, and the receivers of its answers.
pub(crate) struct Driver {
    state: Mutex<State>,
    /// Threads that wait for the lock. The [`run`] task yields to them.
    waiting: AtomicUsize,
    /// Notified when requests that links wait for may be complete.
    progress: Notify,
    /// Notified when the machine's timeout has moved to an earlier time.
    timeout_moved: Notify,
    epoch: Instant,
}

pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) queries: BTreeMap<u64, oneshot::Sender<Value>>,
    /// The receivers of address lookups, by node.
    pub(super) lookups: BTreeMap<NodeId, Vec<oneshot::Sender<Option<Vec<Text>>>>>,
    pub(super) feeds: BTreeMap<Text, Vec<Weak<Feed>>>,
    /// The number of guards of each registered entry.
    pub(super) registered: BTreeMap<(Text, Text), usize>,
    pub(super) next: u64,
    /// The node has stopped: no query is answered any more.
    pub(super) closed: bool,
}

impl Driver {
    pub(crate) fn new(own: NodeId, config: &crate::Config) -> Self {
        let settings = Settings {
            limits: config.directory.clone(),
            monitor_timeout: config.monitor_timeout,
            // A message larger than the queue limit would end the connection.
            message_size: config.limits.message_size.min(config.queue_limit),
        };
        Self {
            state: Mutex::new(State {
                machine: Machine::new(own, settings),
                queries: BTreeMap::new(),
                lookups: BTreeMap::new(),
                feeds: BTreeMap::new(),
                registered: BTreeMap::new(),
                next: 1,
                closed: false,
            }),
            waiting: AtomicUsize::new(0),
            progress: Notify::new(),
            timeout_moved: Notify::new(),
            epoch: Instant::now(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        assert_not_held();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        state
    }

    /// Lets the machine take a step, and performs its outputs.
    pub(super) fn step<T>(
        &self,
        node: &Arc<Inner>,
        run: impl FnOnce(&mut State, Duration) -> T,
    ) -> T {
        self.step_for(node, Cause::Local, run)
    }

    fn step_for<T>(
        &self,
        node: &Arc<Inner>,
        cause: Cause<'_>,
        run: impl FnOnce(&mut State, Duration) -> T,
    ) -> T {
        let mut state = self.lock();
        let before = state.due();
        let is_behind = state.machine.has_outputs();
        let now = self.epoch.elapsed();
        let outcome = run(&mut state, now);
        match cause {
            Cause::Run => state.perform_outputs(node, now, Machine::poll_output),
            _ if !is_behind => state.perform_outputs(node, now, Machine::poll_output),
            // Other steps have left outputs: those are for the `run` task.
            Cause::Local => state.perform_outputs(node, now, Machine::poll_output_for_programs),
            Cause::Peer(peer) => {
                state.perform_outputs(node, now, Machine::poll_output_for_programs);
                state.perform_outputs(node, now, |machine| machine.poll_output_for(peer));
            }
        }
        let after = state.due();
        drop(state);
        if before == Some(Duration::ZERO) {
            self.progress.notify_waiters();
        }
        if after.is_some() && before.is_none_or(|before| after < Some(before)) {
            self.timeout_moved.notify_one();
        }
        outcome
    }

    /// Tells the machine that this node will have seeds.
    pub(crate) fn expect_seeds(&self, node: &Arc<Inner>) {
        let seeds = Seeds {
            any: true,
            untried: true,
            connected: BTreeSet::new(),
        };
        self.step(node, |state, now| state.machine.handle_seeds(now, seeds));
    }

    /// Publishes the addresses at which this node listens.
    pub(crate) fn publish_addresses(&self, node: &Arc<Inner>, addresses: &[Address]) {
        // Only TCP addresses, since AnyEvent::MP nodes cannot use others; all addresses if there is no TCP address.
        let tcp = addresses.iter().filter(|address| address.scheme() == "tcp");
        let mut published: Vec<Text> = tcp.map(|address| address.target().into()).collect();
        if published.is_empty() {
            published = addresses.iter().map(|a| a.to_string().into()).collect();
        }
        let addresses = published;
        self.step(node, |state, now| state.machine.listens(now, addresses));
    }

    pub(crate) fn become_global(&self, node: &Arc<Inner>) {
        self.step(node, |state, now| state.machine.become_global(now));
    }

    pub(crate) fn role(&self) -> Role {
        self.lock().machine.role().clone()
    }

    pub(super) fn sizes(&self) -> BTreeMap<Text, usize> {
        self.lock().machine.sizes().collect()
    }

    /// A connection is up. Called before the first message is read.
    pub(crate) fn up(&self, node: &Arc<Inner>, peer: &Peer, generation: Generation, perl: bool) {
        let arrival = Arrival {
            node: peer.id.clone(),
            generation,
            perl,
            seed: node.links.connected_seeds().contains(&peer.id),
        };
        self.step(node, |state, now| state.machine.handle_up(now, arrival));
    }

    /// The connection is lost. Nothing more is read from it.
    pub(crate) fn down(&self, node: &Arc<Inner>, peer: &NodeId, generation: Generation) {
        self.step(node, |state, now| {
            state.machine.handle_down(now, peer, generation);
        });
    }

    /// Handles a `g_*` request over the connection `generation`, if `permit` returns true for it. The link has to check [`is_behind`](Self::is_behind)
    /// before it reads on.
    ///
    /// # Errors
    /// The reason for which the request is refused.
    pub(crate) fn request(
        &self,
        node: &Arc<Inner>,
        from: (&NodeId, Generation),
        word: &str,
        arguments: IntoIter,
        permit: impl FnOnce(&mut Request) -> bool,
    ) -> Result<(), String> {
        let mut request = Request::parse(word, arguments)
            .inspect_err(|_| self.lock().machine.handle_malformed(from.0))?;
        if !permit(&mut request) {
            return Ok(());
        }
        self.step_for(node, Cause::Peer(from.0), |state, now| {
            if state.machine.generation(from.0) != Some(from.1) {
                return Err(String::from("the connection is not up"));
            }
            state.machine.handle_request(now, from.0, request)
        })
    }

    /// Whether requests of `peer`, or outputs to it, are not complete.
    pub(crate) fn is_behind(&self, peer: &NodeId) -> bool {
        let state = self.lock();
        state.machine.has_pending_requests(peer) || state.machine.has_outputs_for(peer)
    }

    /// Waits until they are complete, or the node stops.
    pub(crate) async fn caught_up(&self, node: &Inner, peer: &NodeId) {
        let caught_up = async {
            loop {
                let progress = self.progress.notified();
                tokio::pin!(progress);
                progress.as_mut().enable();
                if !self.is_behind(peer) {
                    return;
                }
                progress.await;
            }
        };
        tokio::select! {
            biased;
            () = node.life.stop.cancelled() => {}
            () = caught_up => {}
        }
    }

    /// Yields to other tasks, and to threads that wait for the lock.
    async fn yield_to_waiting(&self) {
        // The lock is not fair: the thread that has just released it would often take it again first.
        for _ in 0..MAX_YIELDS {
            yield_to_runtime().await;
            if self.waiting.load(Ordering::Relaxed) == 0 {
                break;
            }
        }
    }

    /// Whether a master, or this node itself, can look up addresses now.
    pub(crate) fn can_look_up(&self) -> bool {
        matches!(self.role(), Role::Slave(_) | Role::Global)
    }

    /// Whether others can connect to `peer`. `None` if this node does not know.
    pub(crate) fn is_reachable(&self, peer: &NodeId) -> Option<bool> {
        self.lock().machine.is_reachable(peer)
    }

    /// The node has stopped: drops all queries, lookups and watches.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queries = std::mem::take(&mut state.queries);
        let lookups = std::mem::take(&mut state.lookups);
        let feeds = std::mem::take(&mut state.feeds);
        drop(state);
        drop((queries, lookups));
        let feeds = feeds.into_values().flatten();
        feeds
            .filter_map(|feed| feed.upgrade())
            .for_each(|feed| feed.close());
    }
}

impl State {
    /// When the next step is due; at once if a step has left outputs.
    fn due(&self) -> Option<Duration> {
        match self.machine.has_outputs() {
            true => Some(Duration::ZERO),
            false => self.machine.poll_timeout(),
        }
    }
}

/// The directory's task: calls the machine when its timeout is due or the seeds change.
pub(crate) async fn run(node: Arc<Inner>) {
    let driver = &node.directory;
    loop {
        let seeds_changed = node.links.seeds_changed.notified();
        tokio::pin!(seeds_changed);
        seeds_changed.as_mut().enable();
        update_seeds(&node);
        loop {
            let due = driver.lock().due();
            let timeout = async {
                match due {
                    Some(due) if due <= driver.epoch.elapsed() => driver.yield_to_waiting().await,
                    Some(due) => tokio::time::sleep_until(driver.epoch + due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = node.life.stop.cancelled() => return,
                () = &mut seeds_changed => break,
                () = driver.timeout_moved.notified() => {}
                () = timeout => driver.step_for(&node, Cause::Run, |state, now| {
                    state.machine.handle_timeout(now);
                }),
            }
        }
    }
}

/// Passes the state of the seeds to the machine.
pub(crate) fn update_seeds(node: &Arc<Inner>) {
    let seeds = node.links.seeds();
    if seeds.iter().any(|seed| seed.state() == SeedState::Itself) {
        // A node that is one of its own seeds is a global node (protocol.md section 6).
        node.directory.become_global(node);
    }
    let connected: BTreeSet<NodeId> = node.links.connected_seeds().into_iter().collect();
    let seeds = Seeds {
        any: seeds.iter().any(|seed| seed.state() != SeedState::Itself),
        untried: seeds.iter().any(|seed| seed.state() == SeedState::Trying),
        connected,
    };
    node.directory.step(node, |state, now| {
        state.machine.handle_seeds(now, seeds);
    });
}
