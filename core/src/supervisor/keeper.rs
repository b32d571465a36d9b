//! `Keeper`: the port that executes the plan of a supervisor.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::Make;
use super::roster::Roster;
use crate::guard;
use crate::monitor::{Monitor, Notify};
use crate::node::{Inner, LocalNode};
use crate::port::{Context, Port};
use crate::{Excerpt, Message, PortId, Reason, Text, Value, reason};
use aemp_proto::supervision::{Plan, Rules, Step};

/// The tags of the messages that a keeper receives.
pub(super) const STOP: &str = "stop";
pub(super) const CHANGED: &str = "changed";
const WAKE: &str = "wake";
const DOWN: &str = "down";

pub(super) struct Keeper {
    node: Weak<Inner>,
    plan: Plan,
    epoch: Instant,
    children: Vec<Child>,
    /// The number of starts of all children.
    starts: u64,
    roster: Arc<Roster>,
}

struct Child {
    name: Text,
    make: Make,
    port: Option<PortId>,
    /// The number of its starts.
    starts: u64,
    /// Its last start, as the number of it among those of all children. A notification about an earlier one is ignored.
    start: u64,
    monitor: Option<Monitor>,
    /// The reason of its last end.
    reason: Reason,
}

impl Keeper {
    pub(super) fn new(node: &Arc<Inner>, rules: Rules, roster: Arc<Roster>) -> Self {
        Self {
            node: Arc::downgrade(node),
            plan: Plan::new(rules),
            epoch: Instant::now(),
            children: Vec::new(),
            starts: 0,
            roster,
        }
    }

    /// Takes the children that were added or are to be removed.
    fn take_changes(&mut self) {
        let (added, leaving) = self.roster.changes();
        for spec in added {
            self.children.push(Child {
                name: spec.name,
                make: spec.make,
                port: None,
                starts: 0,
                start: 0,
                monitor: None,
                reason: Reason::normal(),
            });
            self.plan.add(spec.restart);
        }
        for at in leaving {
            self.plan.remove(at);
        }
    }

    /// Executes the steps of the plan until it has to wait.
    fn execute_plan(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        loop {
            let now = self.epoch.elapsed();
            match self.plan.next(now) {
                Step::Start(at) => self.start_child(at, cx),
                Step::Stop(at) => self.stop_child(at, cx),
                Step::Remove(at) => self.remove_child(at),
                Step::Wait(due) => {
                    cx.send_after(due.saturating_sub(now), cx.id(), (WAKE,));
                    return Ok(());
                }
                Step::Idle => return Ok(()),
                Step::Finished(None) => return Err(Reason::normal()),
                Step::Finished(Some(at)) => return Err(self.limit_reached(at)),
            }
        }
    }

    fn start_child(&mut self, at: usize, cx: &mut Context<'_>) {
        let child = &mut self.children[at];
        self.starts += 1;
        child.start = self.starts;
        child.starts += 1;
        match (child.make)(&cx.node()) {
            Ok(port) => {
                let down = (DOWN, child.start);
                child.monitor = Some(cx.node().monitor(&port, Notify(&cx.id(), down)));
                tracing::debug!(target: "aemp::supervisor", child = %child.name, port = %Excerpt(&port), starts = child.starts, "child started");
                self.set_port(at, Some(port));
            }
            Err(error) => {
                tracing::warn!(target: "aemp::supervisor", child = %child.name, error = %Excerpt(&error), "child did not start");
                self.ended(at, reason!["not_started", error]);
            }
        }
    }

    fn stop_child(&mut self, at: usize, cx: &mut Context<'_>) {
        if let Some(port) = &self.children[at].port {
            cx.node().kill(port, shutdown());
        }
    }

    fn remove_child(&mut self, at: usize) {
        guard::dispose(self.children.remove(at));
        self.roster.take(at).removed();
    }

    fn ended(&mut self, at: usize, reason: Reason) {
        self.set_port(at, None);
        let child = &mut self.children[at];
        child.monitor = None;
        if !reason.is_normal() {
            tracing::info!(target: "aemp::supervisor", child = %child.name, reason = %Excerpt(&reason), "child ended");
        }
        self.plan
            .child_ended(at, reason.is_normal(), self.epoch.elapsed());
        child.reason = reason;
    }

    fn set_port(&mut self, at: usize, port: Option<PortId>) {
        self.roster.set_port(at, port.clone());
        self.children[at].port = port;
    }

    fn limit_reached(&self, at: usize) -> Reason {
        let Child { name, reason, .. } = &self.children[at];
        tracing::warn!(target: "aemp::supervisor", child = %name, reason = %Excerpt(&reason), "a child died too often");
        let words = [Value::from("restart_limit"), Value::from(name.as_str())];
        let all = words.into_iter().chain(reason.values().iter().cloned());
        all.collect()
    }
}

/// The reason with which children are stopped.
fn shutdown() -> Reason {
    reason!["shutdown"]
}

impl Port for Keeper {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        self.take_changes();
        self.execute_plan(cx)
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let values = message.into_values()?;
        match &*values {
            [tag] if tag.as_str() == Some(STOP) => self.plan.stop(),
            [tag] if tag.as_str() == Some(CHANGED) => self.take_changes(),
            [tag] if tag.as_str() == Some(WAKE) => {}
            [tag, start, reason @ ..] if tag.as_str() == Some(DOWN) => {
                let start = start.as_u64();
                let of_start = |c: &Child| c.port.is_some() && Some(c.start) == start;
                if let Some(at) = self.children.iter().position(of_start) {
                    self.ended(at, reason.iter().cloned().collect());
                }
            }
            // Ignored: a sender that guesses the ID of this port must not be able to kill it.
            _ => return Ok(()),
        }
        self.execute_plan(cx)
    }
}

impl Drop for Keeper {
    /// The supervisor was killed or the node stops: kills all children at once, since they cannot be stopped in order.
    fn drop(&mut self) {
        let node = self.node.upgrade();
        let node = node.map(|node| LocalNode::from_inner(&node));
        for mut child in self.children.drain(..).rev() {
            if let (Some(node), Some(port)) = (&node, child.port.take()) {
                node.kill(&port, shutdown());
            }
            guard::dispose(child);
        }
        guard::dispose_all(self.roster.end());
    }
}
