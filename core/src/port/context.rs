//! `Context`: what a port can do while it handles a message.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::{Outcome, Port};
use crate::guard;
use crate::message::IntoMessage;
use crate::monitor::{IntoAction, Monitor};
use crate::node::{Inner, LocalNode, Timer};
use crate::{NodeId, PortId, PortName, Reason};

/// What a port can do while it handles a message.
pub struct Context<'a> {
    node: &'a Arc<Inner>,
    port: &'a PortName,
    owned: &'a mut Option<Box<Owned>>,
    killed: Option<Reason>,
}

/// What ends with a port.
#[derive(Default)]
pub(crate) struct Owned {
    tasks: Vec<AbortHandle>,
    monitors: Vec<Monitor>,
    timers: Vec<Timer>,
    /// Tasks and timers at which finished ones are swept out next.
    sweep_at: usize,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        node: &'a Arc<Inner>,
        port: &'a PortName,
        owned: &'a mut Option<Box<Owned>>,
    ) -> Self {
        Self {
            node,
            port,
            owned,
            killed: None,
        }
    }

    pub(crate) fn into_killed(self) -> Option<Reason> {
        self.killed
    }

    /// The ID of this port.
    pub fn id(&self) -> PortId {
        PortId::new(self.node.id.clone(), self.port.clone())
    }

    /// The ID of this node.
    pub fn node_id(&self) -> &NodeId {
        &self.node.id
    }

    /// This node, to be used in what [`spawn`](Self::spawn) runs.
    pub fn node(&self) -> LocalNode {
        LocalNode::from_inner(self.node)
    }

    /// Sends a message, as [`LocalNode::send`] does.
    #[doc(alias = "snd")]
    pub fn send(&self, to: &PortId, message: impl IntoMessage) {
        self.node.send(to, message);
    }

    /// Ends this port with `reason` as soon as its handler returns, and aborts what it owns.
    #[doc(alias = "kil")]
    pub fn kill(&mut self, reason: Reason) {
        self.killed.get_or_insert(reason);
    }

    /// Makes a further port, which does not end with this one.
    pub fn port(&self, port: impl Port + 'static) -> PortId {
        self.node.add_port(port)
    }

    /// Runs `future` as part of this port: its error or panic kills the port, and the port's death aborts it.
    #[doc(alias = "psub")]
    pub fn spawn<F>(&mut self, future: F)
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let (node, port) = (self.node.clone(), self.port.clone());
        // What it returns is the program's as well. Guarded from here on: it may be dropped before it has begun.
        let future = guard::complete(async { future.await.into_result() });
        let task = self.node.life.runtime.spawn(async move {
            if let Err(reason) = future.await.unwrap_or_else(|panic| Err(panic.into())) {
                node.shards.kill(port, reason);
            }
        });
        self.owned().tasks.push(task.abort_handle());
    }

    /// Monitors `target` until it fires or this port dies. That it has fired comes in order with this port's messages:
    /// a callback runs before the port gets anything that the target's node sends over its next connection.
    #[doc(alias = "mon")]
    pub fn monitor(&mut self, target: &PortId, then: impl IntoAction) {
        let monitor = self.node.monitor(target, then, Some(self.port));
        self.owned().monitors.push(monitor);
    }

    /// Sends `message` to `to` after `delay`, unless this port dies before.
    #[doc(alias = "after")]
    pub fn send_after(&mut self, delay: Duration, to: &PortId, message: impl IntoMessage) {
        let timer = self.node.send_after(delay, to, message);
        self.owned().timers.push(timer);
    }

    /// Sends `message` to `to` every `period`, the first time after one period, until this port dies.
    pub fn send_every(&mut self, period: Duration, to: &PortId, message: impl IntoMessage) {
        let timer = self.node.send_every(period, to, message);
        self.owned().timers.push(timer);
    }

    fn owned(&mut self) -> &mut Owned {
        let owned = self.owned.get_or_insert_default();
        owned.sweep();
        owned
    }
}

impl Owned {
    /// How many tasks and timers are at work.
    pub(crate) fn tasks(&self) -> usize {
        let tasks = self.tasks.iter().filter(|task| !task.is_finished());
        let timers = self.timers.iter().filter(|timer| !timer.is_finished());
        tasks.count() + timers.count()
    }

    /// How many monitors stand.
    pub(crate) fn monitors(&self) -> usize {
        let standing = self.monitors.iter().filter(|monitor| !monitor.has_fired());
        standing.count()
    }

    /// Forgets what has ended, now and then: a port that spawns for years keeps no list of it.
    fn sweep(&mut self) {
        if self.tasks.len() + self.timers.len() + self.monitors.len() < self.sweep_at.max(16) {
            return;
        }
        self.tasks.retain(|task| !task.is_finished());
        self.timers.retain(|timer| !timer.is_finished());
        self.monitors.retain(|monitor| !monitor.has_fired());
        self.sweep_at = 2 * (self.tasks.len() + self.timers.len() + self.monitors.len());
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
