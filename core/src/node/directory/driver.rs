//! Drives the directory's state machine: tells it what happens, and does what it says.
//!
//! The machine and those who wait for its answers stand behind one lock, which the links' tasks, programs and the
//! [`run`] task take for a step. Under it peers are locked, to send; it is never taken under a peer's lock.
//!
//! A step takes milliseconds at most, whatever a peer has sent: the machine does a piece of what is large, and of what it
//! says as much is done as the budget of a turn allows. The [`run`] task does the rest, step by step, and yields in
//! between; other steps do then only what concerns who caused them. A link whose peer is not done with reads on when it is.

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
use crate::peer::{Generation, Peer};
use crate::runtime::yield_to_runtime;
use crate::{Address, NodeId, Text, Value};

/// So often at most the task that does what is large lets others take the lock before it takes it again.
const MOST_YIELDS: usize = 16;

/// Who caused a step: what it left is for the others.
#[derive(Clone, Copy)]
enum Cause<'a> {
    /// The [`run`] task, which does what others have left.
    Run,
    /// A program here, or a connection that comes or goes.
    Here,
    /// A request of this peer.
    Peer(&'a NodeId),
}

/// The directory of one node, and who waits for something of it.
pub(crate) struct Driver {
    state: Mutex<State>,
    /// Threads that wait for the lock. The task that does what is large leaves it to them.
    waiting: AtomicUsize,
    /// Some of what links wait for may be done.
    done: Notify,
    /// The machine may want to be called earlier than it said.
    sooner: Notify,
    start: Instant,
}

pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) questions: BTreeMap<u64, oneshot::Sender<Value>>,
    /// Who waits to hear where a node listens.
    pub(super) sought: BTreeMap<NodeId, Vec<oneshot::Sender<Option<Vec<Text>>>>>,
    pub(super) feeds: BTreeMap<Text, Vec<Weak<Feed>>>,
    /// How many guards hold a registered entry.
    pub(super) registered: BTreeMap<(Text, Text), usize>,
    pub(super) next: u64,
    /// The node has stopped: nothing is answered any more.
    pub(super) closed: bool,
}

impl Driver {
    pub(crate) fn new(own: NodeId, config: &crate::Config) -> Self {
        let settings = Settings {
            limits: config.directory.clone(),
            monitor_timeout: config.monitor_timeout,
            // A message larger than the queue may be would end the connection.
            message_size: config.limits.message_size.min(config.queue_limit),
        };
        Self {
            state: Mutex::new(State {
                machine: Machine::new(own, settings),
                questions: BTreeMap::new(),
                sought: BTreeMap::new(),
                feeds: BTreeMap::new(),
                registered: BTreeMap::new(),
                next: 1,
                closed: false,
            }),
            waiting: AtomicUsize::new(0),
            done: Notify::new(),
            sooner: Notify::new(),
            start: Instant::now(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        state
    }

    /// Lets the machine take a step, and does what it says then.
    pub(super) fn step<T>(
        &self,
        node: &Arc<Inner>,
        run: impl FnOnce(&mut State, Duration) -> T,
    ) -> T {
        self.step_for(node, Cause::Here, run)
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
        let now = self.start.elapsed();
        let outcome = run(&mut state, now);
        match cause {
            Cause::Run => state.carry_out(node, now, Machine::poll_output),
            _ if !is_behind => state.carry_out(node, now, Machine::poll_output),
            // What others have left is not for this step.
            Cause::Here => state.carry_out(node, now, Machine::poll_output_for_programs),
            Cause::Peer(peer) => {
                state.carry_out(node, now, Machine::poll_output_for_programs);
                state.carry_out(node, now, |machine| machine.poll_output_for(peer));
            }
        }
        let after = state.due();
        drop(state);
        if before == Some(Duration::ZERO) {
            self.done.notify_waiters();
        }
        if after.is_some() && before.is_none_or(|before| after < Some(before)) {
            self.sooner.notify_one();
        }
        outcome
    }

    /// This node is about to have seeds.
    pub(crate) fn expects_seeds(&self, node: &Arc<Inner>) {
        let seeds = Seeds {
            any: true,
            untried: true,
            connected: BTreeSet::new(),
        };
        self.step(node, |state, now| state.machine.handle_seeds(now, seeds));
    }

    /// This node listens there.
    pub(crate) fn listens(&self, node: &Arc<Inner>, addresses: &[Address]) {
        // The family holds what AnyEvent::MP can connect to, unless there is nothing of the kind.
        let tcp = addresses.iter().filter(|address| address.scheme() == "tcp");
        let mut published: Vec<Text> = tcp.map(|address| address.rest().into()).collect();
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

    /// A connection is up, and nothing of it has been read yet.
    pub(crate) fn up(&self, node: &Arc<Inner>, peer: &Peer, generation: Generation, perl: bool) {
        let arrival = Arrival {
            node: peer.id.clone(),
            generation,
            perl,
            seed: node.links.connected_seeds().contains(&peer.id),
        };
        self.step(node, |state, now| state.machine.handle_up(now, arrival));
    }

    /// The connection is lost, and nothing more of it is read.
    pub(crate) fn down(&self, node: &Arc<Inner>, peer: &NodeId, generation: Generation) {
        self.step(node, |state, now| {
            state.machine.handle_down(now, peer, generation);
        });
    }

    /// The peer sent a `g_*` request over the connection `generation`. Who has read it looks at
    /// [`is_behind`](Self::is_behind) before it reads on.
    ///
    /// # Errors
    /// What is the matter with it.
    pub(crate) fn request(
        &self,
        node: &Arc<Inner>,
        from: (&NodeId, Generation),
        word: &str,
        arguments: IntoIter,
    ) -> Result<(), String> {
        let request = Request::parse(word, arguments)
            .inspect_err(|_| self.lock().machine.handle_malformed(from.0))?;
        self.step_for(node, Cause::Peer(from.0), |state, now| {
            if state.machine.generation(from.0) != Some(from.1) {
                return Err(String::from("the connection is not up"));
            }
            state.machine.handle_request(now, from.0, request)
        })
    }

    /// Whether what `peer` has sent, or what is for it, is not all done.
    pub(crate) fn is_behind(&self, peer: &NodeId) -> bool {
        let state = self.lock();
        state.machine.has_backlog(peer) || state.machine.has_outputs_for(peer)
    }

    /// Waits until it is, or the node stops.
    pub(crate) async fn caught_up(&self, node: &Inner, peer: &NodeId) {
        let caught_up = async {
            loop {
                let done = self.done.notified();
                tokio::pin!(done);
                done.as_mut().enable();
                if !self.is_behind(peer) {
                    return;
                }
                done.await;
            }
        };
        tokio::select! {
            biased;
            () = node.life.stop.cancelled() => {}
            () = caught_up => {}
        }
    }

    /// Lets others have their turn, those that wait for the lock as well.
    async fn give_way(&self) {
        // The lock is not fair: who has just let go of it would often be the next to take it.
        for _ in 0..MOST_YIELDS {
            yield_to_runtime().await;
            if self.waiting.load(Ordering::Relaxed) == 0 {
                break;
            }
        }
    }

    /// Whether a master, or this node itself, can say now where others listen.
    pub(crate) fn can_find(&self) -> bool {
        matches!(self.role(), Role::Slave(_) | Role::Global)
    }

    /// Whether others can connect to `peer`. `None` where this node cannot say.
    pub(crate) fn is_reachable(&self, peer: &NodeId) -> Option<bool> {
        self.lock().machine.is_reachable(peer)
    }

    /// The node has stopped: nothing is answered any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let questions = std::mem::take(&mut state.questions);
        let sought = std::mem::take(&mut state.sought);
        let feeds = std::mem::take(&mut state.feeds);
        drop(state);
        drop((questions, sought));
        let feeds = feeds.into_values().flatten();
        feeds
            .filter_map(|feed| feed.upgrade())
            .for_each(|feed| feed.close());
    }
}

impl State {
    /// When there is something to do; at once, where a step has left something.
    fn due(&self) -> Option<Duration> {
        match self.machine.has_outputs() {
            true => Some(Duration::ZERO),
            false => self.machine.poll_timeout(),
        }
    }
}

/// Tells the machine the time when it wants to know, and how the seeds stand.
pub(crate) async fn run(node: Arc<Inner>) {
    let driver = &node.directory;
    loop {
        let seeds_changed = node.links.seeds_changed.notified();
        tokio::pin!(seeds_changed);
        seeds_changed.as_mut().enable();
        look_at_seeds(&node);
        loop {
            let due = driver.lock().due();
            let timeout = async {
                match due {
                    Some(due) if due <= driver.start.elapsed() => driver.give_way().await,
                    Some(due) => tokio::time::sleep_until(driver.start + due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = node.life.stop.cancelled() => return,
                () = &mut seeds_changed => break,
                () = driver.sooner.notified() => {}
                () = timeout => driver.step_for(&node, Cause::Run, |state, now| {
                    state.machine.handle_timeout(now);
                }),
            }
        }
    }
}

/// Tells the machine how the seeds stand.
pub(crate) fn look_at_seeds(node: &Arc<Inner>) {
    let seeds = node.links.seeds();
    if seeds.iter().any(|seed| seed.state() == SeedState::Itself) {
        // A node that is a seed of its network works for it (protocol.md section 6).
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
