//! `Machine`: the peers that come and go, and the role of this node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::mesh::Mesh;
use super::name::GLOBALS;
use super::outlet::Outlet;
use super::output::Output;
use super::request::{self, Query, Request};
use super::sending::Sending;
use super::settings::Settings;
use super::silence::Silences;
use super::store::{Store, Told};
use super::watched::Watched;
use super::work::Work;
use crate::{NodeId, Text};

/// The directory as one node has it.
pub struct Machine {
    pub(super) own: NodeId,
    pub(super) settings: Settings,
    pub(super) role: Role,
    pub(super) store: Store,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// Who watches what, of the peers.
    pub(super) watchers: BTreeMap<Text, BTreeSet<NodeId>>,
    /// Families that programs here watch.
    pub(super) watched: BTreeMap<Text, Watched>,
    /// What programs here have asked and is not answered yet.
    pub(super) questions: BTreeMap<u64, Question>,
    /// Nodes whose listeners are asked for.
    pub(super) sought: BTreeSet<NodeId>,
    pub(super) settling: Option<Settling>,
    /// What was asked meanwhile by peers.
    pub(super) held: Vec<(NodeId, u64, Request)>,
    /// How the seeds of this node stand.
    pub(super) seeds: Seeds,
    /// What is on its way to the master or other global nodes, and to those who watch.
    pub(super) to_network: Outlet,
    pub(super) to_watchers: Outlet,
    pub(super) mesh: Mesh,
    /// Who is in `'g`, or listens where, has changed.
    pub(super) mesh_changed: bool,
    pub(super) silences: Silences,
    pub(super) work: Work,
    /// Outputs for the programs here, and those for peers.
    pub(super) to_programs: VecDeque<Output>,
    pub(super) to_peers: VecDeque<Output>,
}

/// What this node is in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It has no seeds and nobody made it global: a network of its own.
    Alone,
    /// It waits for a seed that becomes its master.
    Searching,
    /// A global node works for it.
    Slave(NodeId),
    /// It works for others.
    Global,
}

/// What a program has asked.
pub(super) struct Question {
    pub(super) query: Query,
    pub(super) family: Text,
}

/// A peer that is connected.
pub(super) struct Peer {
    pub(super) generation: u64,
    /// It is an AnyEvent::MP node.
    pub(super) perl: bool,
    pub(super) seed: bool,
    /// It has said so.
    pub(super) global: bool,
    pub(super) slave: bool,
    /// The families that it watches.
    pub(super) watches: BTreeSet<Text>,
    /// How many of its requests wait to be answered.
    pub(super) held: usize,
    /// What it is still to be told.
    pub(super) sending: Sending,
}

/// A node that has become global, and waits for what others hold before it says what is in the directory.
pub(super) struct Settling {
    /// No longer than this.
    pub(super) until: Duration,
    /// Those who are about to tell.
    pub(super) waiting: BTreeSet<NodeId>,
}

/// How the seeds of this node stand.
#[derive(Default)]
pub struct Seeds {
    /// There are some, connected or not.
    pub any: bool,
    /// One has not been tried yet.
    pub untried: bool,
    /// The nodes that answer at them.
    pub connected: BTreeSet<NodeId>,
}

/// A connection that comes up.
pub struct Arrival {
    /// The peer.
    pub node: NodeId,
    /// Which connection to the peer this is. It grows with each.
    pub generation: u64,
    /// The peer is an AnyEvent::MP node.
    pub perl: bool,
    /// It is one of our seeds.
    pub seed: bool,
}

impl Machine {
    /// The directory of a node that listens nowhere and has no seeds yet.
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
            sought: BTreeSet::new(),
            settling: None,
            held: Vec::new(),
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

    /// What this node is in the directory.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The families that are known here, with how many keys.
    pub fn sizes(&self) -> impl Iterator<Item = (Text, usize)> {
        self.store.sizes()
    }

    /// The connection to `node` that is up, as far as the machine has been told.
    pub fn generation(&self, node: &NodeId) -> Option<u64> {
        self.peers.get(node).map(|peer| peer.generation)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called. At once, if more is to be done than one call does.
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

    /// Time has passed, or there is more to be done.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.begin_piece();
        self.work_on(now);
        self.settle(now);
        self.ask_silent(now);
        self.pump(now);
    }

    /// A connection is up. What comes over it is told after this.
    pub fn handle_up(&mut self, now: Duration, arrival: Arrival) {
        let Arrival {
            node,
            generation,
            perl,
            seed,
        } = arrival;
        self.begin_piece();
        if let Some(before) = self.peers.get(&node) {
            // The news of its end is still on the way.
            let before = before.generation;
            self.lose(now, &node, before);
        }
        let peer = Peer {
            generation,
            perl,
            seed: false,
            global: false,
            slave: false,
            watches: BTreeSet::new(),
            held: 0,
            sending: Sending::default(),
        };
        self.peers.insert(node.clone(), peer);
        self.mesh.up(&node);
        if self.role == Role::Global {
            self.send(&node, request::global());
        }
        if seed {
            self.greet_seed(now, node);
        }
        self.pump(now);
    }

    /// The connection `generation` to `node` is lost.
    pub fn handle_down(&mut self, now: Duration, node: &NodeId, generation: u64) {
        self.begin_piece();
        self.lose(now, node, generation);
        self.pump(now);
    }

    fn lose(&mut self, now: Duration, node: &NodeId, generation: u64) {
        let is_it = |peer: &Peer| peer.generation == generation;
        if !self.peers.get(node).is_some_and(is_it) {
            return;
        }
        let Some(peer) = self.peers.remove(node) else {
            return;
        };
        #[cfg(aemp_faults)]
        let kept = crate::faults::is(crate::faults::Fault::EntryKept);
        #[cfg(not(aemp_faults))]
        let kept = false;
        if !kept {
            self.forget_all(now, node);
        }
        self.forget_watches(node, &peer.watches);
        if peer.slave || peer.global {
            self.keep(node, false);
        }
        if peer.global && self.role == Role::Global {
            self.part(now, node);
        }
        self.mesh.down(now, node);
        self.silences.lost(node);
        self.settled_with(now, node);
        if self.role == Role::Slave(node.clone()) {
            self.search(now);
        }
    }

    /// Looks for a master among the connected seeds. A node without any seed, connected or not, is alone.
    fn search(&mut self, now: Duration) {
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

    /// The seeds of this node stand so.
    pub fn handle_seeds(&mut self, now: Duration, seeds: Seeds) {
        self.seeds = seeds;
        if matches!(self.role, Role::Alone | Role::Searching) {
            self.search(now);
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
        self.settle(now);
        self.pump(now);
    }

    /// A peer that sends `g_*` requests sent this one. Of a connection that is not up nothing is taken. One that is long, or
    /// behind such a one, is not done at once; [`is_behind`](Self::is_behind) says so, and nothing more of the peer should
    /// be read until it is done.
    ///
    /// # Errors
    /// What is the matter with it. Nothing has changed then, or all that could be taken was. Of one that is not done an
    /// output says so.
    pub fn handle_request(
        &mut self,
        now: Duration,
        from: &NodeId,
        request: Request,
    ) -> Result<(), String> {
        if !self.peers.contains_key(from) {
            return Err(String::from("the connection is not up"));
        }
        let Some(request) = self.queue(from, request) else {
            return Ok(());
        };
        self.begin_piece();
        let outcome = self.handle_parsed(now, from, request);
        let errors = self.work_for(now, from);
        self.pump(now);
        errors
            .into_iter()
            .fold(outcome, |outcome, why| outcome.and(Err(why)))
    }

    pub(super) fn handle_parsed(
        &mut self,
        now: Duration,
        from: &NodeId,
        request: Request,
    ) -> Result<(), String> {
        match self.hold_back(from, request) {
            Some(request) => self.take_request(now, from, request),
            None => Ok(()),
        }
    }

    /// Does what a peer asks for.
    pub(super) fn take_request(
        &mut self,
        now: Duration,
        from: &NodeId,
        request: Request,
    ) -> Result<(), String> {
        match request {
            Request::Global => self.on_global(from),
            Request::BeGlobal => {
                self.become_global(now);
                Ok(())
            }
            Request::Slave(families) => self.on_slave(now, from, families),
            Request::Set(families) => self.on_set(from, families),
            Request::Update(update) => self.on_update(from, update),
            Request::Find(node) => self.on_find(from, node),
            Request::Query(query, family, id) => self.on_query(from, query, &family, id),
            Request::Watch(family) => self.on_watch(now, from, family),
            Request::Unwatch(family) => self.on_unwatch(from, &family),
            Request::Found(node, _) if self.break_silence(now, from, &node) => Ok(()),
            Request::Found(node, addresses) => self.on_found(from, &node, addresses),
            Request::Reply(id, result) => self.on_reply(from, &id, result),
            Request::Content(family) => self.on_content(from, family),
            Request::Changed(update) => self.on_changed(from, update),
        }
    }

    /// Lets those who are concerned know that `key` has changed.
    pub(super) fn tell(&mut self, now: Duration, family: &Text, key: Text, told: Told) {
        if let Some(before) = told.ours
            && matches!(self.role, Role::Global | Role::Slave(_))
        {
            self.to_network.changed(now, family, key.clone(), before);
        }
        let Some(before) = told.seen else {
            return;
        };
        if *family == *GLOBALS {
            self.mesh_changed = true;
        }
        // What a slave's programs watch, the master tells.
        let watched = self.watched.contains_key(family) && self.knows_all();
        if watched || self.watchers.contains_key(family) {
            self.to_watchers.changed(now, family, key, before);
        }
    }

    /// Whether what is in the store is all that the network holds, as far as anybody knows.
    pub(super) fn knows_all(&self) -> bool {
        matches!(self.role, Role::Alone | Role::Global) && self.settling.is_none()
    }

    /// The other global nodes that are connected.
    pub(super) fn globals(&self) -> impl Iterator<Item = &NodeId> {
        let peers = self.peers.iter();
        peers.filter(|(_, peer)| peer.global).map(|(node, _)| node)
    }
}

#[cfg(test)]
impl Machine {
    /// How much `node` holds here.
    pub(super) fn usage_of(&self, node: &str) -> super::store::Usage {
        self.store.usage(&NodeId::new(node).unwrap())
    }

    /// How many entries were looked at so far.
    pub(super) fn touched(&self) -> usize {
        self.work.touched
    }

    /// How many keys of watched families are still to be told or marked.
    pub(super) fn untold(&self) -> usize {
        self.to_watchers.pending().map(|(_, keys)| keys.len()).sum()
    }

    /// Lets pieces be of so many entries.
    pub(super) fn set_piece(&mut self, piece: Option<usize>) {
        self.work.piece = piece;
    }

    /// What all others hold together is the sum of what each does.
    pub(super) fn expect_counted(&self) {
        self.store.expect_counted();
    }
}
