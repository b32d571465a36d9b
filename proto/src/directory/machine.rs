//! `Machine`: the connected peers, the role of this node, and the dispatch of requests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use super::backlog::Backlog;
use super::mesh::Mesh;
use super::name::GLOBALS;
use super::outlet::Outlet;
use super::output::Output;
use super::request::{self, QueryKind, Request};
use super::settings::Settings;
use super::silence::Silences;
use super::store::{Affected, Store};
use super::watched::Watched;
use super::work::Work;
use crate::{NodeId, Text};

/// The directory of one node. See the [module](super) for the order of calls.
pub struct Machine {
    pub(super) own: NodeId,
    pub(super) settings: Settings,
    pub(super) role: Role,
    pub(super) store: Store,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// The peers that watch a family here.
    pub(super) watchers: BTreeMap<Text, BTreeSet<NodeId>>,
    /// The families that programs on this node watch.
    pub(super) watched: BTreeMap<Text, Watched>,
    /// Queries of programs on this node that are not answered yet.
    pub(super) questions: BTreeMap<u64, Question>,
    /// Nodes whose addresses programs on this node wait for.
    pub(super) lookups: BTreeSet<NodeId>,
    pub(super) settling: Option<Settling>,
    /// Requests of peers that are answered after settling.
    pub(super) deferred: Vec<(NodeId, u64, Request)>,
    pub(super) seeds: Seeds,
    /// Changes of our entries, for the master or the other global nodes.
    pub(super) to_network: Outlet,
    /// Changes of visible values, for peers and programs that watch.
    pub(super) to_watchers: Outlet,
    pub(super) mesh: Mesh,
    /// Family `'g` has changed since the mesh was updated.
    pub(super) mesh_changed: bool,
    pub(super) silences: Silences,
    pub(super) work: Work,
    /// Outputs for programs on this node.
    pub(super) to_programs: VecDeque<Output>,
    /// Outputs for peers.
    pub(super) to_peers: VecDeque<Output>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("own", &self.own)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// The role of this node in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The node has no seeds and is not global: it is a network of its own.
    Alone,
    /// The node has seeds and waits for a connection to one, which becomes its master.
    Searching,
    /// The node is a slave of this global node, its master.
    Slave(NodeId),
    /// The node is a global node and serves slaves.
    Global,
}

/// A query of a program on this node.
pub(super) struct Question {
    pub(super) query: QueryKind,
    pub(super) family: Text,
}

/// A connected peer.
pub(super) struct Peer {
    pub(super) generation: u64,
    /// The peer is an AnyEvent::MP node.
    pub(super) perl: bool,
    /// The peer is one of our seeds.
    pub(super) seed: bool,
    /// The peer has sent `g_global`.
    pub(super) global: bool,
    /// The peer has sent `g_slave` with its entries.
    pub(super) slave: bool,
    /// The families that the peer watches here.
    pub(super) watches: BTreeSet<Text>,
    /// Requests of the peer that are deferred.
    pub(super) deferred: usize,
    /// What is still to be sent to the peer.
    pub(super) backlog: Backlog,
}

/// The state of a node that has become global and waits for the entries of other global nodes before it answers.
pub(super) struct Settling {
    /// When the node stops waiting.
    pub(super) until: Duration,
    /// The nodes whose entries are expected.
    pub(super) waiting: BTreeSet<NodeId>,
}

/// The state of this node's seeds.
#[derive(Debug, Default)]
pub struct Seeds {
    /// Whether the node has seeds, connected or not.
    pub any: bool,
    /// Whether a seed has not been tried yet.
    pub untried: bool,
    /// The nodes that are connected as seeds.
    pub connected: BTreeSet<NodeId>,
}

/// A new connection.
#[derive(Debug)]
pub struct Arrival {
    /// The peer.
    pub node: NodeId,
    /// The generation of the connection. Each connection to a peer has a greater one than the connection before.
    pub generation: u64,
    /// Whether the peer is an AnyEvent::MP node.
    pub perl: bool,
    /// Whether the peer is one of our seeds.
    pub seed: bool,
}

impl Machine {
    /// The directory of a node that does not listen and has no seeds yet.
    pub fn new(own: NodeId, settings: Settings) -> Self {
        let mut store = Store::new(own.clone());
        store.add_owner(&own, true);
        Self {
            own,
            settings,
            role: Role::Alone,
            store,
            peers: BTreeMap::new(),
            watchers: BTreeMap::new(),
            watched: BTreeMap::new(),
            questions: BTreeMap::new(),
            lookups: BTreeSet::new(),
            settling: None,
            deferred: Vec::new(),
            seeds: Seeds::default(),
            to_network: Outlet::default(),
            to_watchers: Outlet::default(),
            mesh: Mesh::default(),
            mesh_changed: false,
            silences: Silences::default(),
            work: Work::default(),
            to_programs: VecDeque::new(),
            to_peers: VecDeque::new(),
        }
    }

    /// The role of this node.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The families that this node knows, each with its number of keys.
    pub fn sizes(&self) -> impl Iterator<Item = (Text, usize)> {
        self.store.sizes()
    }

    /// The generation of the connection to `node`, if the machine knows one.
    pub fn generation(&self, node: &NodeId) -> Option<u64> {
        self.peers.get(node).map(|peer| peer.generation)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout). Zero, that is at once, while tasks exceed the budget of
    /// one call.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let outlets = [&self.to_network, &self.to_watchers];
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let dues = outlets.iter().filter_map(|outlet| outlet.due());
        let settled = self.settling.as_ref().map(|settling| settling.until);
        let dues = dues.chain(self.mesh.due()).chain(settled);
        dues.chain(self.silences.due()).min()
    }

    /// Runs tasks within the budget of one call, and sends what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.reset_budget();
        self.run_tasks(now);
        self.end_settling_if_done(now);
        self.probe_silent(now);
        self.flush_due(now);
    }

    /// A connection is up. Call this before any [`handle_request`](Self::handle_request) for it.
    pub fn handle_up(&mut self, now: Duration, arrival: Arrival) {
        let Arrival {
            node,
            generation,
            perl,
            seed,
        } = arrival;
        self.reset_budget();
        if let Some(before) = self.peers.get(&node) {
            // The driver reports the end of the previous connection later.
            let before = before.generation;
            self.remove_peer(now, &node, before);
        }
        let peer = Peer {
            generation,
            perl,
            seed: false,
            global: false,
            slave: false,
            watches: BTreeSet::new(),
            deferred: 0,
            backlog: Backlog::default(),
        };
        self.peers.insert(node.clone(), peer);
        self.mesh.set_up(&node);
        if self.role == Role::Global {
            self.send(&node, request::global());
        }
        if seed {
            self.greet_seed(now, node);
        }
        self.flush_due(now);
    }

    /// The connection `generation` to `node` has ended.
    pub fn handle_down(&mut self, now: Duration, node: &NodeId, generation: u64) {
        self.reset_budget();
        self.remove_peer(now, node, generation);
        self.flush_due(now);
    }

    fn remove_peer(&mut self, now: Duration, node: &NodeId, generation: u64) {
        let is_it = |peer: &Peer| peer.generation == generation;
        if !self.peers.get(node).is_some_and(is_it) {
            return;
        }
        let Some(peer) = self.peers.remove(node) else {
            return;
        };
        if !faulty!(EntryKept) {
            self.forget_node(now, node);
        }
        self.forget_watches(node, &peer.watches);
        if peer.slave || peer.global {
            self.keep(node, false);
        }
        if peer.global && self.role == Role::Global {
            self.remove_global(now, node);
        }
        self.mesh.set_down(now, node);
        self.silences.remove(node);
        self.stop_waiting_for(now, node);
        if self.role == Role::Slave(node.clone()) {
            self.look_for_master(now);
        }
    }

    /// Looks for a master among the connected seeds. A node without seeds takes the role [`Role::Alone`].
    fn look_for_master(&mut self, now: Duration) {
        let role = match self.seeds.any {
            true => Role::Searching,
            false => Role::Alone,
        };
        let before = std::mem::replace(&mut self.role, role);
        self.choose_master(now);
        if self.role == Role::Alone && before != Role::Alone {
            self.answer_all(now);
        }
    }

    /// The state of this node's seeds has changed.
    pub fn handle_seeds(&mut self, now: Duration, seeds: Seeds) {
        self.seeds = seeds;
        if matches!(self.role, Role::Alone | Role::Searching) {
            self.look_for_master(now);
        }
        let fresh: Vec<NodeId> = self
            .peers
            .iter_mut()
            .filter_map(|(node, peer)| {
                let before = std::mem::replace(&mut peer.seed, self.seeds.connected.contains(node));
                (peer.seed && !before).then(|| node.clone())
            })
            .collect();
        fresh
            .into_iter()
            .for_each(|node| self.greet_seed(now, node));
        self.end_settling_if_done(now);
        self.flush_due(now);
    }

    /// A peer has sent a `g_*` request. A request that exceeds the budget of one call, and the requests of the same
    /// peer behind it, are finished by [`handle_timeout`](Self::handle_timeout). While
    /// [`has_pending_requests`](Self::has_pending_requests) returns true for the peer, the driver should read nothing
    /// more from it.
    ///
    /// # Errors
    /// The request was rejected, or some of its entries were; the message says why. A request that is finished later
    /// reports its errors as [`Output::Rejected`].
    pub fn handle_request(
        &mut self,
        now: Duration,
        from: &NodeId,
        request: Request,
    ) -> Result<(), String> {
        if !self.peers.contains_key(from) {
            return Err(String::from("the connection is not up"));
        }
        let Some(request) = self.queue_if_busy(from, request) else {
            return Ok(());
        };
        self.reset_budget();
        let outcome = self.defer_or_dispatch(now, from, request);
        let errors = self.run_tasks_of(now, from);
        self.flush_due(now);
        errors
            .into_iter()
            .fold(outcome, |outcome, why| outcome.and(Err(why)))
    }

    pub(super) fn defer_or_dispatch(
        &mut self,
        now: Duration,
        from: &NodeId,
        request: Request,
    ) -> Result<(), String> {
        match self.defer(from, request) {
            Some(request) => self.dispatch(now, from, request),
            None => Ok(()),
        }
    }

    /// Carries out a request that is not deferred.
    pub(super) fn dispatch(
        &mut self,
        now: Duration,
        from: &NodeId,
        request: Request,
    ) -> Result<(), String> {
        match request {
            Request::Global => self.handle_global(from),
            Request::BeGlobal => {
                self.become_global(now);
                Ok(())
            }
            Request::Slave(families) => self.handle_slave(now, from, families),
            Request::Set(families) => self.handle_set(from, families),
            Request::Update(update) => self.handle_update(from, update),
            Request::Find(node) => self.handle_find(from, node),
            Request::Query(query, family, id) => self.handle_query(from, query, &family, id),
            Request::Watch(family) => self.handle_watch(now, from, family),
            Request::Unwatch(family) => self.handle_unwatch(from, &family),
            Request::Found(node, _) if self.handle_probe_answer(now, from, &node) => Ok(()),
            Request::Found(node, addresses) => self.handle_found(from, &node, addresses),
            Request::Reply(id, result) => self.handle_reply(from, &id, result),
            Request::Content(family) => self.handle_content(from, family),
            Request::Changed(update) => self.handle_changed(from, update),
        }
    }

    /// Queues the change of a key for the receivers that are affected.
    pub(super) fn queue_change(
        &mut self,
        now: Duration,
        family: &Text,
        key: Text,
        affected: Affected,
    ) {
        if let Some(before) = affected.ours
            && matches!(self.role, Role::Global | Role::Slave(_))
        {
            self.to_network.record(now, family, key.clone(), before);
        }
        let Some(before) = affected.visible else {
            return;
        };
        if *family == *GLOBALS {
            self.mesh_changed = true;
        }
        // Programs on a slave get changes from the master.
        let watched = self.watched.contains_key(family) && self.is_complete();
        if watched || self.watchers.contains_key(family) {
            self.to_watchers.record(now, family, key, before);
        }
    }

    /// Whether the store has all entries of the network, so that this node answers from it.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.role, Role::Alone | Role::Global) && self.settling.is_none()
    }

    /// The other global nodes that are connected.
    pub(super) fn globals(&self) -> impl Iterator<Item = &NodeId> {
        let peers = self.peers.iter();
        peers.filter(|(_, peer)| peer.global).map(|(node, _)| node)
    }
}

#[cfg(any(test, fuzzing))]
#[cfg_attr(not(test), allow(dead_code))]
impl Machine {
    /// How much `node` holds.
    pub(super) fn usage_of(&self, node: &str) -> super::store::Usage {
        self.store.usage(&NodeId::new(node).expect("an ID"))
    }

    /// Entries that tasks have visited so far.
    pub(super) fn visited(&self) -> usize {
        self.work.visited
    }

    /// Changed keys of watched families that are not flushed yet.
    pub(super) fn unflushed(&self) -> usize {
        self.to_watchers.pending().map(|(_, keys)| keys.len()).sum()
    }

    /// Sets the budget of one call; `None` restores the default.
    pub(super) fn set_entries_per_call(&mut self, entries: Option<usize>) {
        self.work.entries_per_call = entries;
    }

    /// Asserts that the usage of all peers is the sum of the usage of each.
    pub(super) fn assert_usage_sums(&self) {
        self.store.assert_usage_sums();
    }
}
