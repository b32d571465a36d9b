//! What holds in the end of a schedule: all that was lost was told, and nobody holds more than he should.

use std::collections::{BTreeMap, BTreeSet};

use aemp::stats::{NodeStats, PortStats};
use aemp::{NodeId, PortId};

use super::{Model, Process, StreamId};

impl Model {
    /// All faults are healed and time has passed: whatever was lost has been told.
    pub(crate) fn settled(&mut self, living: &BTreeSet<Process>) {
        let streams: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in streams {
            self.look(id);
            if let Some(how) = self.untold(id, living) {
                self.breaks("loss-fires", how);
            }
        }
        let is_gone = |port: &PortId| self.is_gone(port, living);
        for (rule, how) in self.watches.missing(living, is_gone, |port| !is_gone(port)) {
            self.breaks(rule, how);
        }
        let undead: Vec<PortId> = self.panicked.keys().cloned().collect();
        if !undead.is_empty() {
            self.breaks(
                "panic-kills",
                format!("{undead:?} have panicked, and their monitors have not fired"),
            );
        }
        let open: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, ended)| !**ended)
            .map(|(id, _)| *id)
            .collect();
        if !open.is_empty() {
            self.breaks("calls-end-once", format!("calls {open:?} do not end"));
        }
        self.node_watches.clear();
    }

    /// What was lost of a stream, or that its port is gone, where nobody has been told.
    fn untold(&self, id: StreamId, living: &BTreeSet<Process>) -> Option<String> {
        let stream = self.streams.get(&id)?;
        let epoch = stream.epochs.last()?;
        if !living.contains(&stream.from) {
            return None;
        }
        if epoch.end.is_some() {
            // Who is dead is told nothing.
            let hears = stream
                .owner
                .as_ref()
                .is_none_or(|owner| !self.is_gone(owner, living));
            let told = !hears || epoch.is_told(&self.watches);
            return (!told).then(|| {
                format!("stream {id}: one monitor has fired, and another of the same port not")
            });
        }
        let (next, sent, to) = (epoch.next, stream.sent, &stream.to);
        if next != sent {
            return Some(format!(
                "{id}.{next} of {sent} did not arrive, and no monitor has fired"
            ));
        }
        self.is_gone(to, living)
            .then(|| format!("{to} is gone, and the monitor of stream {id} has not fired"))
    }

    /// Whether a port is dead, has never lived, or was of a process that has ended.
    fn is_gone(&self, port: &PortId, living: &BTreeSet<Process>) -> bool {
        let target = self.ports.get(port);
        target.is_none_or(|target| target.dead || !living.contains(&target.process))
    }

    /// What the nodes say of themselves after [`settled`](Self::settled): they hold the monitors that stand, and no more.
    pub(crate) fn counts(&mut self, nodes: &BTreeMap<Process, NodeStats>) {
        let living: BTreeSet<Process> = nodes.keys().copied().collect();
        let mut wrong = Vec::new();
        for (process, stats) in nodes {
            for (shard, stats) in stats.shards.iter().enumerate() {
                if stats.queued > 0 || stats.backlog > 0 {
                    wrong.push(format!("process {process}, shard {shard}: {stats:?}"));
                }
            }
            for link in &stats.connections {
                let (peer, held) = (link.info.peer(), link.monitors);
                let what = format!("process {process} holds {held} monitors on ports of {peer}");
                let (certain, possible) = self.open_ports(*process, peer, &living);
                if held < certain.len() || held > possible.len() {
                    wrong.push(format!(
                        "{what}, and should {certain:?}, at most {possible:?}"
                    ));
                }
                // A keepalive, or the question for a sign of life, may be under way.
                if link.queued > 100 {
                    wrong.push(format!(
                        "process {process}: {} bytes wait for {peer}",
                        link.queued
                    ));
                }
                let there = nodes.iter().find(|(p, _)| self.nodes.get(p) == Some(peer));
                let us = self.nodes.get(process);
                let back = there.and_then(|(_, there)| {
                    let mut back = there.connections.iter();
                    back.find(|back| Some(back.info.peer()) == us)
                });
                match back.map(|back| back.watches) {
                    None => wrong.push(format!("{what}, which knows of no connection")),
                    Some(known) if known != held => {
                        wrong.push(format!("{what}, which knows of {known}"))
                    }
                    Some(_) => {}
                }
            }
        }
        wrong
            .into_iter()
            .for_each(|how| self.breaks("nothing-left", how));
    }

    /// A node lists its ports after [`settled`](Self::settled): those that live, without tasks, messages and monitors that
    /// nobody knows of.
    pub(crate) fn lists(&mut self, process: Process, listed: &[PortStats]) {
        let Some(node) = self.nodes.get(&process) else {
            return;
        };
        let of_node = |port: &PortStats| node.port(port.name.clone());
        let living = self.ports.iter();
        let living = living.filter(|(_, port)| port.process == process && !port.dead);
        let living: BTreeSet<&PortId> = living.map(|(id, _)| id).collect();
        let listed = listed.iter().filter(|port| !port.name.is_node_port());
        let mut wrong = Vec::new();
        let mut known = BTreeSet::new();
        for port in listed {
            let id = of_node(port);
            if !living.contains(&id) || port.queued > 0 || port.tasks > 0 {
                wrong.push(format!("process {process} still has {port:?}"));
            }
            // The model's own, those of each node's programs, and of each other node one.
            let most = 1 + self.standing(&id);
            if port.watchers > most {
                wrong.push(format!("{port:?} has more than {most} monitors"));
            }
            known.insert(id);
        }
        let missing = living.into_iter().filter(|port| !known.contains(*port));
        wrong.extend(missing.map(|port| format!("process {process} does not list {port}")));
        for how in wrong {
            self.breaks("nothing-left", how);
        }
    }

    /// How many monitors stand on a port, or may.
    fn standing(&self, on: &PortId) -> usize {
        let streams = self.streams.values().filter(|stream| stream.to == *on);
        let epochs = streams.filter_map(|stream| stream.epochs.last());
        let streamed = epochs.filter(|epoch| epoch.end.is_none() && epoch.gone.is_some());
        streamed.count() + self.watches.standing(on)
    }

    /// The ports of node `peer` that a process monitors for certain, and those that it may.
    fn open_ports(
        &self,
        process: Process,
        peer: &NodeId,
        living: &BTreeSet<Process>,
    ) -> (BTreeSet<PortId>, BTreeSet<PortId>) {
        let streams = self
            .streams
            .values()
            .filter(|stream| stream.from == process);
        let streamed = streams.filter(|stream| {
            let last = stream.epochs.last();
            last.is_some_and(|epoch| epoch.end.is_none() && epoch.gone.is_some())
        });
        let watched = self
            .watches
            .open(process, |port| !self.is_gone(port, living));
        let all = streamed.map(|stream| (&stream.to, true)).chain(watched);
        let (mut certain, mut possible) = (BTreeSet::new(), BTreeSet::new());
        for (port, is_certain) in all.filter(|(port, _)| port.node() == peer) {
            if is_certain {
                certain.insert(port.clone());
            }
            possible.insert(port.clone());
        }
        (certain, possible)
    }
}
