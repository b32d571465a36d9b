//! `Keeper`: the port that carries out a supervisor's plan.

use std::sync::{Arc, PoisonError, Weak};

use tokio::time::Instant;

use super::{Living, Make};
use crate::guard;
use crate::monitor::{Monitor, Notify};
use crate::node::{Inner, LocalNode};
use crate::port::{Context, Port};
use crate::{Excerpt, Message, PortId, Reason, Text, Value, reason};
use aemp_proto::supervision::{Plan, Rules, Step};

/// The tags of the messages that a keeper gets.
pub(super) const STOP: &str = "stop";
const WAKE: &str = "wake";
const DOWN: &str = "down";

pub(super) struct Keeper {
    node: Weak<Inner>,
    plan: Plan,
    began: Instant,
    children: Vec<Child>,
    living: Living,
}

struct Child {
    name: Text,
    make: Make,
    port: Option<PortId>,
    /// How often it was started: news of an earlier start mean nothing.
    starts: u64,
    monitor: Option<Monitor>,
    /// Why it ended last.
    reason: Reason,
}

impl Keeper {
    pub(super) fn new(
        node: &Arc<Inner>,
        rules: Rules,
        children: Vec<(Text, Make)>,
        living: Living,
    ) -> Self {
        let child = |(name, make)| Child {
            name,
            make,
            port: None,
            starts: 0,
            monitor: None,
            reason: Reason::normal(),
        };
        Self {
            node: Arc::downgrade(node),
            plan: Plan::new(rules, children.len()),
            began: Instant::now(),
            children: children.into_iter().map(child).collect(),
            living,
        }
    }

    /// Does what the plan says until that is to wait.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        loop {
            let now = self.began.elapsed();
            match self.plan.next(now) {
                Step::Start(at) => self.start_child(at, cx),
                Step::Stop(at) => self.stop_child(at, cx),
                Step::Wait(due) => {
                    cx.send_after(due.saturating_sub(now), &cx.id(), (WAKE,));
                    return Ok(());
                }
                Step::Rest => return Ok(()),
                Step::Over(None) => return Err(Reason::normal()),
                Step::Over(Some(at)) => return Err(self.limit_reached(at)),
            }
        }
    }

    fn start_child(&mut self, at: usize, cx: &mut Context<'_>) {
        let child = &mut self.children[at];
        child.starts += 1;
        match (child.make)(&cx.node()) {
            Ok(port) => {
                let down = (DOWN, at as u64, child.starts);
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

    fn ended(&mut self, at: usize, reason: Reason) {
        self.set_port(at, None);
        let child = &mut self.children[at];
        child.monitor = None;
        if !reason.is_normal() {
            tracing::info!(target: "aemp::supervisor", child = %child.name, reason = %Excerpt(&reason), "child ended");
        }
        self.plan
            .ended(at, reason.is_normal(), self.began.elapsed());
        child.reason = reason;
    }

    fn set_port(&mut self, at: usize, port: Option<PortId>) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living[at].1.clone_from(&port);
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

/// Why children are stopped.
fn shutdown() -> Reason {
    reason!["shutdown"]
}

impl Port for Keeper {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        self.go_on(cx)
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let values = message.into_values()?;
        match &*values {
            [tag] if tag.as_str() == Some(STOP) => self.plan.stop(),
            [tag] if tag.as_str() == Some(WAKE) => {}
            [tag, at, starts, reason @ ..] if tag.as_str() == Some(DOWN) => {
                let at = at.as_u64().and_then(|at| usize::try_from(at).ok());
                let child = at.and_then(|at| Some((at, self.children.get(at)?)));
                if let Some((at, child)) = child
                    && child.port.is_some()
                    && starts.as_u64() == Some(child.starts)
                {
                    self.ended(at, reason.iter().cloned().collect());
                }
            }
            // Whoever guesses the ID of this port must not end it.
            _ => return Ok(()),
        }
        self.go_on(cx)
    }
}

impl Drop for Keeper {
    /// Nobody is left to stop the children in order: the supervisor was killed, or the node ends.
    fn drop(&mut self) {
        let node = self.node.upgrade();
        let node = node.map(|node| LocalNode::from_inner(&node));
        for mut child in self.children.drain(..).rev() {
            if let (Some(node), Some(port)) = (&node, child.port.take()) {
                node.kill(&port, shutdown());
            }
            guard::dispose(child);
        }
    }
}
