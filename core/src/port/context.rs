//! `Context`: the operations of a port while it handles a message.

use std::fmt;
use std::fmt::Display;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{Instrument, Span};

use super::outcome::Outcome as _;
use super::{Handler, Outcome, Port, PortRef, ReplyTo, SendFrom, ToPort, Unhandled, sealed};
use crate::allowance::log_within;
use crate::error::SendError;
use crate::guard;
use crate::message::IntoMessage;
use crate::monitor::{IntoAction, Monitor};
use crate::node::{Call, Inner, LocalNode, TimerGuard};
use crate::{Excerpt, NodeId, PortId, PortName, Reason, reason};

/// The operations of a port while it handles a message: those of its node, on the port's behalf. What it spawns, monitors
/// and schedules ends with the port.
///
/// ```
/// use std::time::Duration;
/// use aemp::{Notify, PortId, Reason, reason, routes};
///
/// let mut idle = 0;
/// let session = routes()
///     .on_start(|cx| {
///         cx.send_every(Duration::from_secs(60), cx.id(), ("minute",));    // a timer,
///         cx.link("server#database");                                      // and a port that this one dies with
///     })
///     .on("watch", |cx, (other, reply): (PortId, PortId)| {
///         cx.monitor(&other, Notify(&reply, ("gone", &other)));
///     })
///     .on("save", |cx, (text,): (String,)| {
///         cx.spawn(async move {                                            // work that waits
///             tokio::time::sleep(Duration::from_secs(1)).await;
///             println!("{text}");
///         });
///     })
///     .on("minute", move |cx, ()| {
///         idle += 1;
///         if idle == 30 { cx.stop(reason!["idle"]) }
///     })
///     .on("close", |cx, ()| cx.stop(Reason::normal()));
/// ```
pub struct Context<'a> {
    node: &'a Arc<Inner>,
    port: &'a PortName,
    owned: &'a mut Option<Box<Owned>>,
    stopped: Option<Reason>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A future of a port, of one type for all: with a span it is compiled once.
type Erased = Pin<Box<dyn Future<Output = Result<(), Reason>> + Send>>;

/// The tasks, monitors and timers of a port, which end with it.
#[derive(Default)]
pub(crate) struct Owned {
    tasks: Vec<AbortHandle>,
    monitors: Vec<Monitor>,
    timers: Vec<TimerGuard>,
    /// The number of tasks, timers and monitors at which finished ones are removed next.
    sweep_at: usize,
    /// Messages that the port has not handled.
    pub(crate) unhandled: u64,
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
            stopped: None,
        }
    }

    /// The reason for which the handler has stopped the port.
    pub(crate) fn into_stopped(self) -> Option<Reason> {
        self.stopped
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        self.node
    }

    /// The ID of this port.
    pub fn id(&self) -> PortId {
        PortId::new(self.node.id.clone(), self.port.clone())
    }

    /// The ID of this node.
    pub fn node_id(&self) -> &NodeId {
        &self.node.id
    }

    /// A handle of this node, for futures of [`spawn`](Self::spawn), and for all that a context has not.
    pub fn node(&self) -> LocalNode {
        LocalNode::from_inner(self.node)
    }

    /// Sends a message, as [`LocalNode::send`] does.
    #[doc(alias = "snd")]
    #[doc(alias = "cast")]
    pub fn send(&self, to: impl ToPort, message: impl IntoMessage) {
        // A text that is no port ID has been logged.
        let _ = self.node.with_port(to, |to| self.node.send(to, message));
    }

    /// Sends a message, as [`LocalNode::try_send`] does.
    ///
    /// # Errors
    /// As for [`LocalNode::try_send`].
    pub fn try_send(&self, to: impl ToPort, message: impl IntoMessage) -> Result<(), SendError> {
        self.node.try_send_to(to, message)
    }

    /// Sends a message of the port's type, as [`LocalNode::tell`] does.
    pub fn tell<M>(&self, to: &PortRef<M>, message: M)
    where
        M: IntoMessage + Send + 'static,
    {
        self.node.tell(to.id(), message);
    }

    /// Does with a message what `unhandled` says: kills this port with `unhandled_message TEXT`, or counts the message. `text`
    /// says why it is not handled.
    ///
    /// ```
    /// use aemp::{Unhandled, routes};
    /// let door = routes()
    ///     .on("open", |_, ()| println!("open"))
    ///     .otherwise(|cx, message| cx.unhandled(Unhandled::Log, format!("{message:?}")));
    /// ```
    ///
    /// # Errors
    /// The reason, for [`Unhandled::Kill`]: a handler returns it.
    pub fn unhandled(&mut self, unhandled: Unhandled, text: impl Display) -> Result<(), Reason> {
        match unhandled {
            Unhandled::Kill => return Err(reason!["unhandled_message", text.to_string()]),
            Unhandled::Count => {}
            Unhandled::Log => {
                let logs = &self.node.network.logs.members;
                log_within!(logs, WARN, target: "aemp::port", port = %Excerpt(self.port), "unhandled message: {}", Excerpt(&text));
            }
        }
        self.owned.get_or_insert_default().unhandled += 1;
        Ok(())
    }

    /// Ends this port with `reason` when its handler returns, and aborts its tasks and timers.
    #[doc(alias = "kil")]
    pub fn stop(&mut self, reason: Reason) {
        self.stopped.get_or_insert(reason);
    }

    /// Kills another port, as [`LocalNode::kill`] does.
    #[doc(alias = "kil")]
    pub fn kill(&self, port: impl ToPort, reason: Reason) {
        // A text that is no port ID has been logged.
        let _ = self
            .node
            .with_port(port, |port| self.node.kill(port, reason));
    }

    /// Creates another port, as [`LocalNode::port`] does. It does not end with this one.
    pub fn port<R: Outcome>(&self, handler: impl Handler<R> + Send + 'static) -> PortId {
        self.node.add_port(handler)
    }

    /// Creates another port, as [`LocalNode::port_of`] does. It does not end with this one.
    pub fn port_of(&self, port: impl Port + 'static) -> PortId {
        self.node.add_port(port)
    }

    /// Runs `future` as part of this port: its error or panic kills the port, and the port's death aborts it. On a node with
    /// a [`propagator`](crate::NodeBuilder::propagator) it runs in the current span.
    #[doc(alias = "psub")]
    pub fn spawn<F>(&mut self, future: F)
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        // The output is the program's value as well.
        let future = async { future.await.into_result() };
        let task = match self.node.has_propagator() {
            false => self.start(future),
            true => {
                let future: Erased = Box::pin(future);
                self.start(future.in_current_span())
            }
        };
        self.owned().tasks.push(task.abort_handle());
    }

    /// Starts the task of a future. Guarded from here on: the task may be dropped before its first poll.
    #[inline]
    fn start<F>(&self, future: F) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), Reason>> + Send + 'static,
    {
        let (node, port) = (self.node.clone(), self.port.clone());
        let future = guard::complete(future);
        self.node.life.runtime.spawn(async move {
            if let Err(reason) = future.await.unwrap_or_else(|panic| Err(panic.into())) {
                node.shards.kill(port, reason);
            }
        })
    }

    /// Awaits `future` as part of this port, and then calls `handler` with its output, between two messages of the port
    /// and with its context: for the answer of a [`call`](Self::call) or an [`ask`](Self::ask), or any other future. Its error
    /// or panic kills the port, as the handler's does, and the port's death drops both.
    ///
    /// The handler has what it captures. What depends on the port's state sends the port a message, as below.
    ///
    /// ```
    /// use std::time::Duration;
    /// use aemp::{CallError, routes};
    ///
    /// let mut prices = Vec::new();
    /// let shop = routes()
    ///     .on("look_up", |cx, (what,): (String,)| {
    ///         let price = cx.call("server#prices", ("get", what)).within(Duration::from_secs(5));
    ///         cx.spawn_then(price, |cx, price: Result<u64, CallError>| -> Result<(), CallError> {
    ///             cx.send(cx.id(), ("price", price?));
    ///             Ok(())
    ///         });
    ///     })
    ///     .on("price", move |_, (price,): (u64,)| prices.push(price));
    /// ```
    pub fn spawn_then<F, H, R>(&mut self, future: F, handler: H)
    where
        F: IntoFuture<IntoFuture: Send> + Send + 'static,
        F::Output: Send,
        H: FnOnce(&mut Context<'_>, F::Output) -> R + Send + 'static,
        R: Outcome,
    {
        let (node, port) = (self.node.clone(), self.port.clone());
        self.spawn(async move {
            let output = future.await;
            // That of this future, which is the handler's as well.
            let span = node.has_propagator().then(Span::current);
            let run = move |cx: &mut Context<'_>| {
                let _entered = span.as_ref().map(Span::enter);
                handler(cx, output).into_result()
            };
            node.shards.run(port, Box::new(run));
        });
    }

    /// A call of another port, as [`LocalNode::call`] makes it: for [`spawn_then`](Self::spawn_then), or a future of
    /// [`spawn`](Self::spawn).
    ///
    /// ```
    /// use aemp::{PortId, routes};
    /// let twice = routes().on("twice", |cx, (n, reply): (u64, PortId)| {
    ///     let (node, half) = (cx.node(), cx.call("server#half", ("of", 4 * n)));
    ///     cx.spawn(async move {
    ///         let (doubled,): (u64,) = half.await?;
    ///         node.send(&reply, (doubled,));
    ///         Ok::<_, aemp::CallError>(())
    ///     });
    /// });
    /// ```
    #[doc(alias = "cal")]
    #[doc(alias = "ask")]
    pub fn call<'m, T: DeserializeOwned + 'm>(
        &self,
        to: impl ToPort,
        message: impl IntoMessage + Send + 'm,
    ) -> Call<'m, T> {
        self.node().call(to, message)
    }

    /// A question to a typed port, as [`LocalNode::ask`] makes it: for [`spawn_then`](Self::spawn_then), or a future of
    /// [`spawn`](Self::spawn).
    ///
    /// ```
    /// # #[derive(serde::Serialize)]
    /// # enum Bank { Balance { reply: aemp::ReplyTo<u64> } }
    /// use aemp::{CallError, PortRef, routes};
    /// # fn example(bank: PortRef<Bank>) {
    /// let printer = routes().on("print", move |cx, ()| {
    ///     let balance = cx.ask(&bank, |reply| Bank::Balance { reply });
    ///     cx.spawn_then(balance, |_, balance: Result<u64, CallError>| balance.map(|n| println!("{n}")));
    /// });
    /// # }
    /// ```
    pub fn ask<'m, M, R>(
        &self,
        to: &PortRef<M>,
        question: impl FnOnce(ReplyTo<R>) -> M + Send + 'm,
    ) -> Call<'m, R>
    where
        M: IntoMessage + Send + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        self.node().ask(to, question)
    }

    /// Monitors `target` until the monitor fires or this port dies. The callback runs in order with this port's messages:
    /// before any message that the target's node sends over its next connection.
    #[doc(alias = "mon")]
    pub fn monitor(&mut self, target: impl ToPort, then: impl IntoAction) {
        let monitor = self.node.monitor(target, then, Some(self.port));
        self.owned().monitors.push(monitor);
    }

    /// Kills this port with the same reason when `target` dies, unless `target` ends normally; as [`LocalNode::link`].
    ///
    /// ```
    /// # fn example(node: aemp::LocalNode, database: aemp::PortId) {
    /// use aemp::{PortId, routes};
    /// let cache = node.port_of(routes().on("get", |_, _: (String, PortId)| ()).on_start(move |cx| cx.link(&database)));
    /// # }
    /// ```
    #[doc(alias = "mon")]
    pub fn link(&mut self, target: impl ToPort) {
        let monitor = self.node.link(target, &self.id(), false);
        self.owned().monitors.push(monitor);
    }

    /// Sends `message` to `to` after `delay`, unless this port dies before.
    #[doc(alias = "after")]
    pub fn send_after(&mut self, delay: Duration, to: impl ToPort, message: impl IntoMessage) {
        let timer = self.node.send_after(delay, to, message);
        self.owned().timers.push(timer);
    }

    /// Sends `message` to `to` every `period`, the first time after one period, until this port dies.
    pub fn send_every(&mut self, period: Duration, to: impl ToPort, message: impl IntoMessage) {
        let timer = self.node.send_every(period, to, message);
        self.owned().timers.push(timer);
    }

    fn owned(&mut self) -> &mut Owned {
        let owned = self.owned.get_or_insert_default();
        owned.sweep();
        owned
    }
}

impl sealed::Sealed for Context<'_> {}

impl SendFrom for Context<'_> {
    fn tell_from<M: IntoMessage + Send + 'static>(&self, to: &PortRef<M>, message: M) {
        self.tell(to, message);
    }
}

impl Owned {
    /// The number of tasks and timers that have not ended.
    pub(crate) fn tasks(&self) -> usize {
        let tasks = self.tasks.iter().filter(|task| !task.is_finished());
        let timers = self.timers.iter().filter(|timer| !timer.is_finished());
        tasks.count() + timers.count()
    }

    /// The number of monitors that have not fired.
    pub(crate) fn monitors(&self) -> usize {
        let active = self.monitors.iter().filter(|monitor| !monitor.has_fired());
        active.count()
    }

    /// Removes what has ended when the lists have doubled since the last time, so that a long-lived port does not
    /// accumulate finished tasks.
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
