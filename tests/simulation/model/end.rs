//! What holds in the end of a schedule: all that was lost was told, and nobody holds more than he should.

use std::collections::{BTreeMap, BTreeSet};

use aemp::{NodeId, NodeStats, PortId};

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
            for link in &stats.links {
                let (peer, held) = (link.link.peer(), link.monitors);
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
                    let mut back = there.links.iter();
                    back.find(|back| Some(back.link.peer()) == us)
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
