//! The model: what was sent, watched and delivered in one schedule, and the rules of docs/guarantee.md, checked at every
//! step. It knows nothing of how the library does it.
//!
//! What one process sends to one port is a *stream*, numbered from 0; kills are numbered along. An *epoch* of a stream
//! begins with a monitor and ends when that fires, or its guard is dropped.

mod end;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use aemp::{NodeId, PortId, Reason};

use crate::network::{Carried, Network, Number};
use crate::panics;
use crate::watches::{Moment, Told, WatchId, Watches};

/// A process: one life of a node.
pub(crate) type Process = u64;

pub(crate) type StreamId = u64;

pub(crate) struct Model {
    network: Network,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    ports: BTreeMap<PortId, Target>,
    links: BTreeMap<(Process, String), (u64, bool)>,
    /// Monitors of whole nodes, each with the connection that it was set on.
    node_watches: Vec<(Process, String, u64, Gone)>,
    calls: BTreeMap<u64, bool>,
    watches: Watches,
    /// Ports that have panicked and are not known to be dead, each with what it said.
    panicked: BTreeMap<PortId, String>,
    /// What all that have panicked have said.
    panics: BTreeSet<String>,
    /// The node that each process is.
    nodes: BTreeMap<Process, NodeId>,
    /// The first rule that was broken, and how.
    pub(crate) broken: Option<String>,
    pub(crate) delivered: u64,
    pub(crate) fired: u64,
}

pub(crate) struct Stream {
    pub(crate) from: Process,
    pub(crate) to: PortId,
    /// The port that sends, if a port does.
    owner: Option<PortId>,
    sent: u64,
    epochs: Vec<Epoch>,
}

struct Epoch {
    first: u64,
    /// The number that has to come next.
    next: u64,
    /// The first that is not of this epoch.
    end: Option<u64>,
    /// A monitor that can be asked at any time whether it has fired.
    gone: Option<Gone>,
    /// Another, of the port that sends: what the port itself is told counts for it.
    callback: Option<WatchId>,
    at: Moment,
}

/// Why a port has died that has not: what strangers say of the ports of others.
pub(crate) const LIE: &str = "a lie";

type Gone = Pin<Box<dyn Future<Output = Reason> + Send>>;

impl Epoch {
    /// Whether who is to be told has been, as far as it is known without asking.
    fn is_told(&self, watches: &Watches) -> bool {
        match self.callback {
            Some(callback) => watches.has_fired(callback),
            None => self.end.is_some(),
        }
    }

    fn end(&mut self, sent: u64) {
        self.end = Some(sent);
        self.gone = None;
    }
}

struct Target {
    process: Process,
    dead: bool,
    /// The last message from each process.
    last: BTreeMap<Process, u64>,
}

impl Model {
    pub(crate) fn new(network: Network) -> Self {
        Self {
            network,
            streams: BTreeMap::new(),
            ports: BTreeMap::new(),
            links: BTreeMap::new(),
            node_watches: Vec::new(),
            calls: BTreeMap::new(),
            watches: Watches::default(),
            panicked: BTreeMap::new(),
            panics: BTreeSet::new(),
            nodes: BTreeMap::new(),
            broken: None,
            delivered: 0,
            fired: 0,
        }
    }

    /// Adds a line to the history.
    pub(crate) fn note(&mut self, what: impl AsRef<str>) {
        self.network.note(what);
    }

    /// A process begins, as node `id`.
    pub(crate) fn begins(&mut self, process: Process, id: &NodeId) {
        self.note(format!("process {process} is {id}, life begins"));
        self.nodes.insert(process, id.clone());
    }

    fn breaks(&mut self, rule: &str, how: String) {
        self.note(format!("BROKEN {rule}: {how}"));
        self.broken.get_or_insert_with(|| format!("{rule}: {how}"));
    }

    pub(crate) fn port(&mut self, id: &PortId, process: Process) {
        let target = Target {
            process,
            dead: false,
            last: BTreeMap::new(),
        };
        if self.ports.insert(id.clone(), target).is_some() {
            self.breaks("old-ports-stay-dead", format!("{id} comes to life again"));
        }
        self.note(format!("port {id} of process {process}"));
    }

    /// Whether a port of that ID lives, or has lived.
    pub(crate) fn has_lived(&self, id: &PortId) -> bool {
        self.ports.contains_key(id)
    }

    /// The next number of a stream is sent.
    pub(crate) fn sends(&mut self, stream: StreamId) -> u64 {
        self.look(stream);
        let Some(stream) = self.streams.get_mut(&stream) else {
            return 0;
        };
        stream.sent += 1;
        stream.sent - 1
    }

    pub(crate) fn open(&mut self, from: Process, to: &PortId, owner: Option<&PortId>) -> StreamId {
        let id = self.streams.len() as StreamId;
        let stream = Stream {
            from,
            to: to.clone(),
            owner: owner.cloned(),
            sent: 0,
            epochs: Vec::new(),
        };
        self.streams.insert(id, stream);
        self.note(format!("stream {id}: process {from} to {to}"));
        id
    }

    /// Now, where `number` is the connection to the port's node that is up.
    fn moment(&self, number: Option<Number>) -> Moment {
        let order = self.network.order();
        Moment { order, number }
    }

    /// A monitor of another kind is set.
    pub(crate) fn watch(
        &mut self,
        by: Process,
        on: &PortId,
        told: Told,
        over: Option<Number>,
    ) -> WatchId {
        let at = self.moment(over);
        let id = self.watches.set(by, on, told.clone(), at);
        self.note(format!("monitor {id} of process {by} on {on}: {told:?}"));
        id
    }

    pub(crate) fn watch_fires(&mut self, id: WatchId) {
        self.note(format!("monitor {id} fires"));
        if let Err((rule, how)) = self.watches.fires(id) {
            self.breaks(rule, how);
        }
    }

    pub(crate) fn watch_drops(&mut self, id: WatchId) {
        self.note(format!("the guard of monitor {id} is dropped"));
        self.watches.drops(id);
    }

    /// A stream is monitored, and maybe by a callback of the port that sends as well.
    pub(crate) fn watches(
        &mut self,
        id: StreamId,
        gone: impl Future<Output = Reason> + Send + 'static,
        callback: Option<WatchId>,
        over: Option<Number>,
    ) {
        self.note(format!("stream {id} is monitored"));
        let at = self.moment(over);
        if let Some(stream) = self.streams.get_mut(&id) {
            let first = stream.sent;
            stream.epochs.push(Epoch {
                first,
                next: first,
                end: None,
                gone: Some(Box::pin(gone)),
                callback,
                at,
            });
        }
    }

    pub(crate) fn is_watched(&mut self, stream: StreamId) -> bool {
        self.look(stream);
        let stream = self.streams.get(&stream);
        let last = stream.and_then(|stream| stream.epochs.last());
        last.is_some_and(|epoch| epoch.end.is_none())
    }

    /// The guard is dropped.
    pub(crate) fn unwatch(&mut self, id: StreamId) {
        self.look(id);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if let Some(epoch) = stream.epochs.last_mut()
            && epoch.end.is_none()
        {
            // Nobody is promised anything of what is still on its way.
            epoch.end(epoch.next);
            epoch.callback = None;
            self.note(format!("stream {id} is not monitored any more"));
        }
    }

    /// Finds out whether the monitor of a stream has fired.
    fn look(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let Some(epoch) = stream.epochs.last_mut() else {
            return;
        };
        let Some(gone) = &mut epoch.gone else {
            return;
        };
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(why) = gone.as_mut().poll(&mut cx) else {
            return;
        };
        epoch.end(stream.sent);
        self.fired += 1;
        self.note(format!("stream {id} fired: {why}"));
        if why.kind() == Some(LIE) {
            self.breaks("fires-for-cause", format!("stream {id}: {why}"));
        }
    }

    /// A message reached port `at`, which runs in `process`.
    pub(crate) fn arrives(&mut self, id: StreamId, n: u64, at: &PortId, process: Process) {
        self.delivered += 1;
        self.note(format!("{id}.{n} arrives at {at}"));
        let Some(stream) = self.streams.get(&id) else {
            return self.breaks("exact-prefix", format!("{id}.{n} was never sent"));
        };
        let (from, to, sent) = (stream.from, stream.to.clone(), stream.sent);
        if to != *at {
            self.breaks(
                "old-ports-stay-dead",
                format!("{id}.{n} for {to} arrives at {at}"),
            );
        }
        if n >= sent {
            self.breaks("exact-prefix", format!("{id}.{n} was never sent"));
        }
        let carried = self.network.carried((id, n));
        self.in_order(id, n, at, process, from, carried);
        self.next_of_epoch(id, n);
        if let Some(carried) = carried {
            self.fired_first(id, n, at, process, from, carried);
        }
    }

    /// What one process sends to one port comes in the order in which it went over the connections, one after the other.
    fn in_order(
        &mut self,
        id: StreamId,
        n: u64,
        at: &PortId,
        process: Process,
        from: Process,
        carried: Option<Carried>,
    ) {
        let Some(target) = self.ports.get_mut(at) else {
            return self.breaks(
                "old-ports-stay-dead",
                format!("{id}.{n} arrives at {at}, which is not known"),
            );
        };
        let (dead, of) = (target.dead, target.process);
        if of != process || dead {
            self.breaks(
                "old-ports-stay-dead",
                format!("{id}.{n} arrives at {at}, which is dead"),
            );
            return;
        }
        if from == process {
            return;
        }
        let Some(carried) = carried else {
            return self.breaks(
                "exact-prefix",
                format!("{id}.{n} arrives and was never written"),
            );
        };
        let last = target.last.insert(from, carried.order);
        if last.is_some_and(|last| last >= carried.order) {
            self.breaks(
                "generations-in-order",
                format!("{id}.{n} was written before what came last"),
            );
        }
    }

    fn next_of_epoch(&mut self, id: StreamId, n: u64) {
        self.look(id);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let epoch = stream
            .epochs
            .iter_mut()
            .find(|epoch| n >= epoch.first && epoch.end.is_none_or(|end| n < end));
        let Some(epoch) = epoch else { return };
        let expected = epoch.next;
        epoch.next = n + 1;
        if n != expected {
            self.breaks(
                "exact-prefix",
                format!("{id}.{n} arrives, expected {id}.{expected}"),
            );
        }
    }

    /// When a message came over a connection, every monitor that belonged to an earlier one has fired: it was set while
    /// that was up, or what it is for was sent over it.
    fn fired_first(
        &mut self,
        id: StreamId,
        n: u64,
        at: &PortId,
        process: Process,
        from: Process,
        carried: Carried,
    ) {
        let ends = [
            (process, self.nodes.get(&from).cloned()),
            (from, Some(at.node().clone())),
        ];
        let concerned = |by: Process, on: &PortId| {
            let mut ends = ends.iter();
            ends.any(|(of, to)| *of == by && to.as_ref() == Some(on.node()))
        };
        let earlier = |moment: &Moment| {
            moment.order <= carried.order && moment.number.is_some_and(|n| n != carried.number)
        };
        let over_earlier = |stream: StreamId, n: u64| {
            let before = self.network.carried((stream, n));
            before.is_some_and(|b| b.number != carried.number && b.order < carried.order)
        };
        let mut late = Vec::new();
        for (watch, what) in self.watches.waiting_at(at) {
            if concerned(what.by, &what.on) && earlier(&what.at) {
                late.push(format!("monitor {watch}"));
            }
        }
        let mut asked = Vec::new();
        for (other, stream) in &self.streams {
            // A callback is only known to have come first to the port that it belongs to.
            let of_another = stream.owner.as_ref().is_some_and(|owner| owner != at);
            let Some(epoch) = stream.epochs.last() else {
                continue;
            };
            if of_another || !concerned(stream.from, &stream.to) || epoch.is_told(&self.watches) {
                continue;
            }
            let sent = (epoch.first..stream.sent).any(|n| over_earlier(*other, n));
            if sent || earlier(&epoch.at) {
                asked.push(*other);
            }
        }
        for other in asked {
            self.look(other);
            let epoch = self.streams.get(&other).and_then(|s| s.epochs.last());
            if epoch.is_some_and(|epoch| !epoch.is_told(&self.watches)) {
                late.push(format!("the monitor of stream {other}"));
            }
        }
        if let Some(late) = late.first() {
            self.breaks(
                "fires-first",
                format!("{id}.{n} arrives over a later connection than {late} is for, which has not fired"),
            );
        }
    }

    /// A port is about to panic with `text`.
    pub(crate) fn panics(&mut self, port: &PortId, text: String) {
        self.note(format!("{port} panics: {text}"));
        self.panics.insert(text.clone());
        self.panicked.insert(port.clone(), text);
    }

    /// A panic kills its own port, and no other but those that are linked to one that has died so.
    fn dies_of_its_own(&mut self, port: &PortId, why: &Reason) {
        let own = self.panicked.remove(port);
        let is_right = match &own {
            // Its monitor is a request to itself: a message may come before it.
            Some(text) => *why == panics::death(text) || why.kind() == Some("no_such_port"),
            None if why.kind() == Some("die") => {
                let known = self.panics.iter().any(|text| *why == panics::death(text));
                known && self.watches.are_linked(port)
            }
            None => true,
        };
        if !is_right {
            self.breaks(
                "panic-kills",
                format!("{port} dies: {why}, and panicked with {own:?}"),
            );
        }
    }

    /// A node says why a connection was lost.
    pub(crate) fn loses(&mut self, process: Process, peer: &str, why: &Reason) {
        if why.to_string().contains(panics::OURS) {
            let how = format!("process {process} loses {peer}: {why}");
            self.breaks("panic-kills", how);
        }
    }

    /// A node has stopped, as it should unless it failed.
    pub(crate) fn stops(&mut self, process: Process, failure: Option<String>) {
        if let Some(failure) = failure {
            self.breaks("panic-kills", format!("process {process} fails: {failure}"));
        }
    }

    /// Somebody waits for longer than others may work.
    pub(crate) fn unfair(&mut self, how: String) {
        self.breaks("fair", how);
    }

    /// A port has died, as its own node says.
    pub(crate) fn dies(&mut self, port: &PortId, why: &Reason) {
        self.note(format!("{port} dies: {why}"));
        self.dies_of_its_own(port, why);
        if let Some(target) = self.ports.get_mut(port) {
            target.dead = true;
        }
        self.watches.port_died(port);
        // What it monitored it does not any more.
        let owned = self.streams.iter();
        let owned = owned.filter(|(_, stream)| stream.owner.as_ref() == Some(port));
        for id in owned.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.unwatch(id);
        }
        if let [kind, stream, n] = why.values()
            && kind.as_str() == Some("killed")
            && let (Some(stream), Some(n)) = (stream.as_u64(), n.as_u64())
            // A link passes the reason on.
            && self.streams.get(&stream).is_some_and(|stream| stream.to == *port)
        {
            // All that was sent before the kill has come.
            self.next_of_epoch(stream, n);
        }
    }

    /// A node says that a peer is up, by which connection, or down.
    pub(crate) fn event(&mut self, process: Process, peer: &str, up: Option<u64>) {
        let link = self.links.entry((process, peer.to_owned())).or_default();
        let (generation, was_up) = *link;
        *link = (up.unwrap_or(generation), up.is_some());
        self.note(format!(
            "process {process}: {peer} is {}",
            match up {
                Some(generation) => format!("up, connection {generation}"),
                None => "down".into(),
            }
        ));
        if up.is_none() {
            self.node_watches_fired(process, peer, generation);
        }
        if was_up == up.is_some() || up.is_some_and(|up| up <= generation) {
            self.breaks(
                "events-in-order",
                format!("{peer} of process {process}: {up:?} after {generation}, {was_up}"),
            );
        }
    }

    /// A monitor of a whole node is set while the connection `generation` is up.
    pub(crate) fn watches_node(
        &mut self,
        process: Process,
        peer: &str,
        generation: u64,
        gone: impl Future<Output = Reason> + Send + 'static,
    ) {
        let watch = (process, peer.to_owned(), generation, Box::pin(gone) as Gone);
        self.node_watches.push(watch);
    }

    /// Where a node is said to be down, its monitors have fired.
    fn node_watches_fired(&mut self, process: Process, peer: &str, generation: u64) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut late = None;
        self.node_watches.retain_mut(|(of, to, set, gone)| {
            if *of != process || to != peer || *set > generation {
                return true;
            }
            if gone.as_mut().poll(&mut cx).is_pending() {
                late = Some(*set);
            }
            false
        });
        if let Some(set) = late {
            let how = format!(
                "process {process}: {peer} is down, and a monitor of it from connection {set} has not fired"
            );
            self.breaks("fires-first", how);
        }
    }

    pub(crate) fn call(&mut self, ended: bool, id: u64) {
        if self.calls.insert(id, ended) == Some(true) {
            self.breaks("calls-end-once", format!("call {id} ends again"));
        }
    }

    /// Something is left when all has ended.
    pub(crate) fn left(&mut self, what: String) {
        self.breaks("nothing-left", what);
    }

    /// Who has ended asks no monitors any more.
    pub(crate) fn forget(&mut self, process: Process) {
        self.node_watches.retain(|(of, ..)| *of != process);
        let ports = &self.ports;
        self.panicked
            .retain(|port, _| ports.get(port).is_some_and(|port| port.process != process));
        for stream in self.streams.values_mut() {
            if stream.from == process
                && let Some(epoch) = stream.epochs.last_mut()
                && epoch.end.is_none()
            {
                epoch.end(stream.sent);
                epoch.callback = None;
            }
        }
    }
}
