//! `Net`: machines with connections that deliver requests without delay, and a manual clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::directory::{
    Arrival, Change, DirectoryLimits, Level, Machine, Output, QueryKind, Request, Seeds, Settings,
};
use crate::value::Values;
use crate::{NodeId, Text, Value};

pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Net {
    pub(super) now: Duration,
    nodes: BTreeMap<NodeId, Node>,
    links: BTreeSet<(NodeId, NodeId)>,
    /// Requests in flight, in order: sender, receiver, generation of the connection, and request.
    wire: VecDeque<(NodeId, NodeId, u64, Values)>,
    generation: u64,
    /// Nodes that cannot be connected to.
    pub(super) cut_off: BTreeSet<NodeId>,
    /// Every request that was sent, as text.
    pub(super) log: Vec<String>,
    /// The requests that were sent to strangers, in order.
    pub(super) told: Vec<(NodeId, Values)>,
    /// Nodes whose connections had to be ended because they were silent.
    pub(super) ended: Vec<NodeId>,
    /// Slow peers, each with the nodes that wait until it is ready.
    slow: BTreeMap<NodeId, Vec<NodeId>>,
}

struct Node {
    machine: Machine,
    seeds: BTreeSet<NodeId>,
    answers: BTreeMap<u64, Value>,
    found: BTreeMap<NodeId, Vec<Text>>,
    /// The watched families as the program on the node knows them.
    seen: BTreeMap<Text, BTreeMap<Text, Value>>,
    changes: Vec<Change>,
    odd: Vec<String>,
    /// Requests that were rejected by an output: the sender and the reason.
    rejected: Vec<(NodeId, String)>,
    asked: u64,
}

pub(super) fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

impl Net {
    /// Adds a node that listens at an address made from its name.
    pub(super) fn add(&mut self, name: &str, seeds: &[&str]) {
        let limits = DirectoryLimits::default();
        self.add_with(name, seeds, limits);
    }

    pub(super) fn add_with(&mut self, name: &str, seeds: &[&str], limits: DirectoryLimits) {
        self.add_sized(name, seeds, limits, 16 << 20);
    }

    /// Adds a node with a limit for the size of messages.
    pub(super) fn add_sized(
        &mut self,
        name: &str,
        seeds: &[&str],
        limits: DirectoryLimits,
        message_size: usize,
    ) {
        let settings = Settings {
            limits,
            monitor_timeout: TIMEOUT,
            message_size,
        };
        let mut machine = Machine::new(id(name), settings);
        machine.listens(self.now, vec![format!("{name}:1").into()]);
        let given = Seeds {
            any: !seeds.is_empty(),
            untried: false,
            connected: BTreeSet::new(),
        };
        machine.handle_seeds(self.now, given);
        let node = Node {
            machine,
            seeds: seeds.iter().map(|seed| id(seed)).collect(),
            answers: BTreeMap::new(),
            found: BTreeMap::new(),
            seen: BTreeMap::new(),
            changes: Vec::new(),
            odd: Vec::new(),
            rejected: Vec::new(),
            asked: 0,
        };
        self.nodes.insert(id(name), node);
        for seed in seeds {
            self.link(name, seed);
        }
        self.settle();
    }

    pub(super) fn machine(&mut self, name: &str) -> &mut Machine {
        &mut self.nodes.get_mut(&id(name)).unwrap().machine
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(&id(name)).unwrap()
    }

    /// Connects two nodes, if both exist.
    pub(super) fn link(&mut self, a: &str, b: &str) {
        self.connect(&id(a), &id(b));
    }

    fn connect(&mut self, a: &NodeId, b: &NodeId) {
        let there = |node: &NodeId| self.nodes.contains_key(node) && !self.cut_off.contains(node);
        if a == b || !there(a) || !there(b) || !self.links.insert(pair(a, b)) {
            return;
        }
        self.generation += 1;
        for (one, other) in [(a, b), (b, a)] {
            let (now, generation) = (self.now, self.generation);
            let node = self.nodes.get_mut(one).unwrap();
            let seed = node.seeds.contains(other);
            let arrival = Arrival {
                node: other.clone(),
                generation,
                perl: false,
                seed,
            };
            node.machine.handle_up(now, arrival);
            self.carry_out(one);
        }
    }

    /// Ends the connection of two nodes, and drops the requests on it.
    pub(super) fn unlink(&mut self, a: &str, b: &str) {
        let (a, b) = (id(a), id(b));
        if !self.links.remove(&pair(&a, &b)) {
            return;
        }
        self.wire
            .retain(|(from, to, _, _)| pair(from, to) != pair(&a, &b));
        for (one, other) in [(&a, &b), (&b, &a)] {
            let now = self.now;
            if let Some(node) = self.nodes.get_mut(one)
                && let Some(generation) = node.machine.generation(other)
            {
                node.machine.handle_down(now, other, generation);
                self.carry_out(one);
            }
        }
    }

    /// Removes a node.
    pub(super) fn remove(&mut self, name: &str) {
        let others: Vec<NodeId> = self.nodes.keys().cloned().collect();
        for other in others {
            self.unlink(name, other.as_str());
        }
        self.nodes.remove(&id(name));
        self.settle();
    }

    /// Connects every node to its seeds again.
    pub(super) fn reseed(&mut self) {
        let wanted: Vec<(NodeId, NodeId)> = self
            .nodes
            .iter()
            .flat_map(|(node, state)| state.seeds.iter().map(|seed| (node.clone(), seed.clone())))
            .collect();
        for (node, seed) in wanted {
            self.connect(&node, &seed);
        }
        self.settle();
    }

    fn carry_out(&mut self, name: &NodeId) {
        while let Some(node) = self.nodes.get_mut(name)
            && let Some(output) = node.machine.poll_output()
        {
            match output {
                Output::Send {
                    to,
                    generation,
                    request,
                } => {
                    let words: Vec<String> =
                        request.iter().map(|value| value.to_string()).collect();
                    self.log.push(format!("{name}>{to} {}", words.join(" ")));
                    let request = Values::clone(&request);
                    self.told.push((to.clone(), request.clone()));
                    self.wire.push_back((name.clone(), to, generation, request));
                }
                Output::AwaitReady { to, .. } => match self.slow.get_mut(&to) {
                    Some(waiting) => waiting.push(name.clone()),
                    None => node.machine.handle_ready(self.now, &to),
                },
                Output::Answer { question, answer } => drop(node.answers.insert(question, answer)),
                Output::Found {
                    node: found,
                    addresses,
                } => {
                    node.found.insert(found, addresses.unwrap_or_default());
                }
                Output::Changed { family, change } => node.told(&family, change),
                Output::Connect {
                    node: other,
                    addresses,
                } => {
                    assert_eq!(addresses, [Text::from(format!("{other}:1"))]);
                    let name = name.clone();
                    self.connect(&name, &other);
                }
                Output::Silent {
                    node: peer,
                    end: true,
                    ..
                } => self.ended.push(peer),
                Output::Silent { .. } => {}
                Output::Rejected {
                    node: peer,
                    level: Level::Warn,
                    why,
                } => node.rejected.push((peer, why.into_owned())),
                Output::Rejected { .. } => {}
                Output::Keep { .. } => {}
            }
        }
    }

    /// Delivers one request.
    pub(super) fn deliver(&mut self) -> bool {
        let Some((from, to, generation, request)) = self.wire.pop_front() else {
            return false;
        };
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&to)
            && node.machine.generation(&from) == Some(generation)
        {
            let mut values = request.into_iter();
            let word = values.next().unwrap();
            let word = word.as_str().unwrap();
            let request = Request::parse(word, values);
            let taken = request.and_then(|it| node.machine.handle_request(now, &from, it));
            if let Err(why) = taken {
                node.odd.push(format!("{from} {word}: {why}"));
            }
            self.carry_out(&to);
        }
        true
    }

    /// Delivers all requests.
    pub(super) fn settle(&mut self) {
        while self.deliver() {}
    }

    /// Advances the clock, and handles all timeouts on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.settle();
            let dues = self
                .nodes
                .values()
                .filter_map(|node| node.machine.poll_timeout());
            match dues.min() {
                Some(due) if due <= until => self.now = self.now.max(due),
                _ => break,
            }
            let names: Vec<NodeId> = self.nodes.keys().cloned().collect();
            for name in names {
                let now = self.now;
                self.nodes
                    .get_mut(&name)
                    .unwrap()
                    .machine
                    .handle_timeout(now);
                self.carry_out(&name);
            }
        }
        self.now = until;
    }

    /// Lets `name` run unfinished tasks, without advancing the clock.
    pub(super) fn more(&mut self, name: &str) {
        let now = self.now;
        self.machine(name).handle_timeout(now);
        self.carry_out(&id(name));
        self.settle();
    }

    /// Advances the clock by more than the longest pause of an outlet.
    pub(super) fn soon(&mut self) {
        self.pass(Duration::from_millis(500));
    }

    /// Makes `peer` slow: from now on it accepts one message from each node.
    pub(super) fn slow(&mut self, peer: &str) {
        self.slow.entry(id(peer)).or_default();
    }

    /// Lets a slow peer accept the next message from each node, or with `all` any number.
    pub(super) fn room(&mut self, peer: &str, all: bool) {
        let Some(waiting) = self.slow.get_mut(&id(peer)) else {
            return;
        };
        let waiting = std::mem::take(waiting);
        if all {
            self.slow.remove(&id(peer));
        }
        for name in waiting {
            let now = self.now;
            self.machine(name.as_str()).handle_ready(now, &id(peer));
            self.carry_out(&name);
        }
        self.settle();
    }

    pub(super) fn set(&mut self, name: &str, family: &str, key: &str, value: impl Into<Value>) {
        self.set_now(name, family, key, value);
        self.soon();
    }

    /// Sets an entry without advancing the clock.
    pub(super) fn set_now(&mut self, name: &str, family: &str, key: &str, value: impl Into<Value>) {
        let now = self.now;
        let set = self
            .machine(name)
            .set(now, &family.into(), key.into(), value.into());
        set.unwrap();
        self.carry_out(&id(name));
        self.settle();
    }

    pub(super) fn delete(&mut self, name: &str, family: &str, key: &str) {
        self.delete_now(name, family, key);
        self.soon();
    }

    pub(super) fn delete_now(&mut self, name: &str, family: &str, key: &str) {
        let now = self.now;
        self.machine(name)
            .delete(now, &family.into(), &[key.into()]);
        self.carry_out(&id(name));
        self.settle();
    }

    pub(super) fn become_global(&mut self, name: &str) {
        let now = self.now;
        self.machine(name).become_global(now);
        self.carry_out(&id(name));
        self.settle();
    }

    /// Sends a query, and returns its ID.
    pub(super) fn ask(&mut self, name: &str, query: QueryKind, family: &str) -> u64 {
        let node = self.node(name);
        node.asked += 1;
        let asked = node.asked;
        node.machine.ask(asked, query, family.into());
        self.carry_out(&id(name));
        self.settle();
        asked
    }

    pub(super) fn answer(&mut self, name: &str, question: u64) -> Option<Value> {
        self.node(name).answers.remove(&question)
    }

    /// Queries a family at `name`, and returns the answer as text.
    pub(super) fn family(&mut self, name: &str, family: &str) -> String {
        let question = self.ask(name, QueryKind::Family, family);
        self.answer(name, question)
            .map_or_else(|| "-".into(), |answer| answer.to_string())
    }

    pub(super) fn find(&mut self, name: &str, node: &str) -> Option<Vec<Text>> {
        self.machine(name).find(&id(node));
        self.carry_out(&id(name));
        self.settle();
        self.node(name).found.remove(&id(node))
    }

    pub(super) fn watch(&mut self, name: &str, family: &str) {
        if let Some(change) = self.machine(name).watch(&family.into()) {
            self.node(name).told(&family.into(), change);
        }
        self.carry_out(&id(name));
        self.settle();
    }

    /// A watched family as the program at `name` knows it.
    pub(super) fn seen(&mut self, name: &str, family: &str) -> String {
        match self.node(name).seen.get(family) {
            Some(seen) => {
                let pairs = seen.iter().map(|(key, value)| (key.clone(), value.clone()));
                Value::Map(pairs.collect()).to_string()
            }
            None => "-".into(),
        }
    }

    pub(super) fn changes(&mut self, name: &str) -> Vec<Change> {
        std::mem::take(&mut self.node(name).changes)
    }

    /// Takes the reasons for rejected requests at `name`.
    pub(super) fn odd(&mut self, name: &str) -> Vec<String> {
        std::mem::take(&mut self.node(name).odd)
    }

    /// Connects a stranger, which is a peer without a machine, to `name`.
    pub(super) fn stranger(&mut self, name: &str, peer: &str, perl: bool) {
        self.generation += 1;
        let arrival = Arrival {
            node: id(peer),
            generation: self.generation,
            perl,
            seed: false,
        };
        let now = self.now;
        self.machine(name).handle_up(now, arrival);
        self.carry_out(&id(name));
        self.settle();
    }

    pub(super) fn stranger_gone(&mut self, name: &str, peer: &str) {
        let now = self.now;
        let generation = self.machine(name).generation(&id(peer)).unwrap();
        self.machine(name).handle_down(now, &id(peer), generation);
        self.carry_out(&id(name));
        self.soon();
    }

    /// Sends a request from a stranger to `name`. Returns why it was rejected, if it was.
    pub(super) fn says(
        &mut self,
        name: &str,
        peer: &str,
        words: impl IntoIterator<Item = Value>,
    ) -> Result<(), String> {
        let said = self.says_now(name, peer, words);
        self.soon();
        let later = std::mem::take(&mut self.node(name).rejected);
        later
            .into_iter()
            .fold(said, |said, (_, why)| said.and(Err(why)))
    }

    pub(super) fn says_now(
        &mut self,
        name: &str,
        peer: &str,
        words: impl IntoIterator<Item = Value>,
    ) -> Result<(), String> {
        let values: Values = words.into_iter().collect();
        let mut values = values.into_iter();
        let word = values.next().unwrap_or_default();
        let now = self.now;
        let request = Request::parse(word.as_str().unwrap_or_default(), values);
        let machine = self.machine(name);
        let said = request.and_then(|request| machine.handle_request(now, &id(peer), request));
        self.carry_out(&id(name));
        self.settle();
        said
    }

    /// Takes the requests that `name` has sent to a stranger.
    pub(super) fn heard(&mut self, name: &str, peer: &str) -> Vec<String> {
        let start = format!("{name}>{peer} ");
        let (heard, rest) = std::mem::take(&mut self.log)
            .into_iter()
            .partition(|line| line.starts_with(&start));
        self.log = rest;
        let heard: Vec<String> = heard;
        heard
            .into_iter()
            .map(|line| line[start.len()..].into())
            .collect()
    }
}

impl Node {
    fn told(&mut self, family: &Text, change: Change) {
        change.apply(self.seen.entry(family.clone()).or_default());
        self.changes.push(change);
    }
}

fn pair(a: &NodeId, b: &NodeId) -> (NodeId, NodeId) {
    if a <= b {
        (a.clone(), b.clone())
    } else {
        (b.clone(), a.clone())
    }
}
