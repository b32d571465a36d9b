//! `Machine`: the peers that come and go, and the role of this node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::limits::DirectoryLimits;
use super::mesh::Mesh;
use super::name::GLOBALS;
use super::outgoing::Sending;
use super::outlet::Outlet;
use super::request::{self, Query, Request};
use super::silence::Silences;
use super::store::{Store, Told};
use super::watched::{Change, Watched};
use super::work::Work;
use crate::value::Values;
use crate::{NodeId, Text, Value};

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
    to_programs: VecDeque<Output>,
    to_peers: VecDeque<Output>,
}

/// What the directory is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much peers may hold and watch.
    pub limits: DirectoryLimits,
    /// The longest pause between attempts at a global node.
    pub monitor_timeout: Duration,
    /// The largest message that this node takes, and so the largest that it sends.
    pub message_size: usize,
}

impl Settings {
    /// Bytes after which a message is full, about. Then there is room for the largest entry as well.
    pub(super) fn full(&self) -> usize {
        FULL.min(self.message_size / 4)
    }

    /// The same for a change, of which many are told at once: together they are to hold no more than each may anyway
    /// (`peers_limit`).
    pub(super) fn full_change(&self) -> usize {
        FULL_CHANGE.min(self.full())
    }

    /// Bytes of an answer to a query that fit into a message.
    pub(super) fn largest_reply(&self) -> usize {
        self.message_size / 2
    }

    /// Keys that are marked for one receiver: one slave may write all that it holds anew.
    pub(super) fn most_marks(&self) -> usize {
        self.limits.keys.saturating_mul(2)
    }

    /// The largest entry.
    pub(super) fn largest_entry(&self) -> usize {
        self.limits.entry.min(self.full())
    }
}

/// Bytes after which a message is full, if it may be as large.
const FULL: usize = 4 << 20;
const FULL_CHANGE: usize = 256 << 10;

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

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the node port of this peer, over this connection and no other.
    Send {
        /// The peer.
        to: NodeId,
        /// The connection.
        generation: u64,
        /// The request's word and its arguments.
        request: Arc<Values>,
    },
    /// Something was sent to this peer: call [`handle_ready`](Machine::handle_ready) when little waits for it, at once if
    /// that is so now. Not after this connection.
    Pace {
        /// The peer.
        to: NodeId,
        /// The connection.
        generation: u64,
    },
    /// A question is answered.
    Answer {
        /// The ID that [`ask`](Machine::ask) was given.
        question: u64,
        /// A map of the family, or an array of its keys or values.
        answer: Value,
    },
    /// Where a node listens, if anybody knows; nowhere, if the list is empty.
    Found {
        /// The node that [`find`](Machine::find) was asked for.
        node: NodeId,
        /// Its addresses.
        addresses: Option<Vec<Text>>,
    },
    /// A watched family has changed.
    Changed {
        /// The family.
        family: Text,
        /// What has changed in it.
        change: Change,
    },
    /// Connect to a global node, if it is not connected.
    Connect {
        /// The global node.
        node: NodeId,
        /// Its addresses.
        addresses: Vec<Text>,
    },
    /// A request of this peer that had to wait, or was long, could not be taken, or not all of it.
    NotTaken {
        /// The peer.
        node: NodeId,
        /// What is wrong with the request.
        why: String,
    },
    /// A global node does not tell what it holds over this connection. It was asked again, or that is to be ended.
    Silent {
        /// The global node.
        node: NodeId,
        /// The connection.
        generation: u64,
        /// Whether the connection is to be ended.
        end: bool,
    },
    /// Something that this peer sent means nothing, and is known to be harmless.
    Ignored {
        /// The peer.
        node: NodeId,
        /// What the peer sent.
        what: &'static str,
    },
    /// The connection to this node is kept even when it is idle, or no longer.
    Keep {
        /// The node.
        node: NodeId,
        /// Whether the connection is kept.
        keep: bool,
    },
}

impl Output {
    /// The peer that it is for, unless it is for programs here.
    fn peer(&self) -> Option<&NodeId> {
        match self {
            Self::Send { to: node, .. }
            | Self::Pace { to: node, .. }
            | Self::Connect { node, .. }
            | Self::NotTaken { node, .. }
            | Self::Silent { node, .. }
            | Self::Ignored { node, .. }
            | Self::Keep { node, .. } => Some(node),
            Self::Answer { .. } | Self::Found { .. } | Self::Changed { .. } => None,
        }
    }
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

    /// What is to be done next, in order. What is for peers need not all be done before the next call of the machine.
    pub fn poll_output(&mut self) -> Option<Output> {
        let for_programs = self.poll_output_for_programs();
        for_programs.or_else(|| self.to_peers.pop_front())
    }

    /// The same, but only of what is for programs here.
    pub fn poll_output_for_programs(&mut self) -> Option<Output> {
        self.to_programs.pop_front()
    }

    /// The same, but only of what is for `peer`.
    pub fn poll_output_for(&mut self, peer: &NodeId) -> Option<Output> {
        let mut outputs = self.to_peers.iter();
        let at = outputs.position(|output| output.peer() == Some(peer))?;
        self.to_peers.remove(at)
    }

    /// Whether there are outputs.
    pub fn has_outputs(&self) -> bool {
        !self.to_programs.is_empty() || !self.to_peers.is_empty()
    }

    /// Whether there are outputs for `peer`.
    pub fn has_outputs_for(&self, peer: &NodeId) -> bool {
        let mut outputs = self.to_peers.iter();
        outputs.any(|output| output.peer() == Some(peer))
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

    pub(super) fn push(&mut self, output: Output) {
        match output.peer() {
            None => self.to_programs.push_back(output),
            Some(_) => self.to_peers.push_back(output),
        }
    }

    pub(super) fn keep(&mut self, node: &NodeId, keep: bool) {
        let node = node.clone();
        self.push(Output::Keep { node, keep });
    }

    pub(super) fn send(&mut self, to: &NodeId, request: Values) {
        self.send_to_all([to.clone()], request);
    }

    /// Sends this over the connections that are up now.
    pub(super) fn send_to_all(&mut self, to: impl IntoIterator<Item = NodeId>, request: Values) {
        let request = Arc::new(request);
        for to in to {
            if let Some(generation) = self.generation(&to) {
                let request = request.clone();
                self.push(Output::Send {
                    to,
                    generation,
                    request,
                });
            }
        }
    }

    /// Asks to be told when there is room for more at `to`.
    pub(super) fn pace(&mut self, to: &NodeId) {
        if let Some(generation) = self.generation(to) {
            let to = to.clone();
            self.push(Output::Pace { to, generation });
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
