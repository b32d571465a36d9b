//! `LocalNode`: the handle of a node for programs.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aemp_proto::message::values_to_send;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::sender::Sender;
use super::{Call, Directory, Gone, Group, Inner, Node, NodeBuilder, TimerGuard, node_port};
use crate::codec::Frame;
use crate::error::{NameError, SendError};
use crate::lifecycle::ShutdownReport;
use crate::message::{IntoMessage, Message};
use crate::monitor::{Action, IntoAction, Monitor};
use crate::port::{Handler, Inbox, InboxConfig, Outcome, Port, ToPort};
use crate::{NodeId, PortId, PortName, Reason, Text, Value};

/// A handle of a node in this process. Clones refer to the same node. The node stops when the last clone is dropped or
/// when [`shutdown`](Self::shutdown) is called. A clone that is held by a port of the node itself keeps the node
/// running; use [`Context::node`](crate::Context::node) inside a port instead.
///
/// Created by [`builder`](Self::builder), or by the facade's `aemp::node()` with every enabled transport and codec.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aemp::Result<()> {
/// let node = aemp::node().id("shop").start().await?;
/// let greeter = node.port(|cx, message| match message.parse::<(String,)>() {
///     Ok((name,)) => println!("hello {name}"),
///     Err(error) => cx.stop(aemp::reason!["greet", error.to_string()]),
/// });
/// let watch = node.monitor(&greeter, |why| println!("the greeter has died: {why}"));
/// node.send(&greeter, ("Ada",));
/// # drop(watch);
/// let report = node.shutdown().await;
/// assert!(report.undelivered.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalNode {
    inner: Arc<Inner>,
    _stop_guard: Option<Arc<StopGuard>>,
}

/// Stops the node when the last handle is dropped.
pub(super) struct StopGuard(CancellationToken);

impl Drop for StopGuard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl LocalNode {
    /// A builder without transports and codecs.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::new()
    }

    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let stop_guard = Arc::new(StopGuard(inner.life.stop.clone()));
        *inner
            .stop_guard
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&stop_guard);
        Self {
            inner,
            _stop_guard: Some(stop_guard),
        }
    }

    /// A handle for code that the node runs. Created after the last handle of a program was dropped, it does not keep the
    /// node running.
    pub(crate) fn from_inner(inner: &Arc<Inner>) -> Self {
        let stop_guard = inner
            .stop_guard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade();
        Self {
            inner: inner.clone(),
            _stop_guard: stop_guard,
        }
    }

    /// A handle that does not keep the node running.
    pub(crate) fn without_guard(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            _stop_guard: None,
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The node's ID.
    pub fn id(&self) -> &NodeId {
        &self.inner.id
    }

    /// Creates a port that handles its messages by a closure. [`port_of`](Self::port_of) takes
    /// [`routes`](crate::routes) and types.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) {
    /// let mut count = 0;
    /// let log = node.port(move |cx, message| {
    ///     count += 1;
    ///     println!("{} got message {count}: {message:?}", cx.id());
    /// });
    /// node.send(&log, ("hello", 1));
    /// # }
    /// ```
    #[doc(alias = "rcv")]
    #[doc(alias = "actor")]
    pub fn port<R: Outcome>(&self, handler: impl Handler<R> + Send + 'static) -> PortId {
        self.inner.add_port(handler)
    }

    /// Creates a port that handles its messages by a [`Port`]: [`routes`](crate::routes), which select a handler by tag,
    /// or a type.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) {
    /// use aemp::{PortId, routes};
    /// let mut total = 0;
    /// let counter = node.port_of(routes().on("add", move |cx, (n, reply): (i64, PortId)| {
    ///     total += n;
    ///     cx.send(&reply, ("total", total));
    /// }));
    /// # }
    /// ```
    #[doc(alias = "rcv")]
    #[doc(alias = "actor")]
    pub fn port_of(&self, port: impl Port + 'static) -> PortId {
        self.inner.add_port(port)
    }

    /// Creates a port with the given name, so that others can know its ID in advance. Names that begin with `?` are for
    /// ports that receive the answers of calls: a message that cannot be encoded for such a port kills it.
    ///
    /// # Errors
    /// If a live port of this node has the name, or the name is empty.
    pub fn port_named<R: Outcome>(
        &self,
        name: impl Into<PortName>,
        handler: impl Handler<R> + Send + 'static,
    ) -> Result<PortId, NameError> {
        self.port_of_named(name, handler)
    }

    /// Creates a port with the given name, as [`port_named`](Self::port_named) does, of a [`Port`].
    ///
    /// # Errors
    /// If a live port of this node has the name, or the name is empty.
    pub fn port_of_named(
        &self,
        name: impl Into<PortName>,
        port: impl Port + 'static,
    ) -> Result<PortId, NameError> {
        self.inner.add_named_port(name.into(), Box::new(port), None)
    }

    /// Creates a port whose messages are awaited.
    pub fn inbox(&self) -> Inbox {
        self.inbox_with(|_| ())
    }

    /// Creates a port whose messages are awaited, with changed bounds on waiting messages.
    pub fn inbox_with(&self, change: impl FnOnce(&mut InboxConfig)) -> Inbox {
        Inbox::new(&self.inner, self.inbox_config(change))
    }

    /// Creates a port whose messages are of type `M`, and are awaited; see [`typed_port`](Self::typed_port). It is a
    /// `Stream` too.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) {
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// enum Event { Opened(String), Closed }
    ///
    /// let mut events = node.typed_inbox::<Event>();
    /// node.tell(events.port(), Event::Opened("door".into()));
    /// while let Some(event) = events.recv().await {
    ///     match event {
    ///         Event::Opened(what) => println!("{what} is open"),
    ///         Event::Closed => break,
    ///     }
    /// }
    /// # }
    /// ```
    pub fn typed_inbox<M: DeserializeOwned + Send + 'static>(&self) -> Inbox<M> {
        self.typed_inbox_with(|_| ())
    }

    /// Creates a typed inbox with changed bounds; see [`typed_inbox`](Self::typed_inbox) and [`InboxConfig`].
    pub fn typed_inbox_with<M>(&self, change: impl FnOnce(&mut InboxConfig)) -> Inbox<M>
    where
        M: DeserializeOwned + Send + 'static,
    {
        Inbox::typed(&self.inner, self.inbox_config(change))
    }

    fn inbox_config(&self, change: impl FnOnce(&mut InboxConfig)) -> InboxConfig {
        let mut bounds = InboxConfig::new(self.inner.config.inbox_limit);
        change(&mut bounds);
        bounds
    }

    /// Sends a message to a port of this or any other node, given by its ID or as a text ([`ToPort`]). Never blocks.
    ///
    /// `message` is a [`Message`] or a value of any type with `Serialize`: [`to_values`](crate::message::to_values) has the
    /// elements that it becomes. A message to a port that does not exist is dropped. If the message cannot be encoded for
    /// the connection, that is logged, and this node's monitors on the port fire with `encode_error NODE PATH`. If the ports of this node
    /// have no room for it, its port is killed with `queue_full LIMIT` ([`Config::local_limit`](crate::Config::local_limit)).
    /// [`try_send`](Self::try_send) returns these errors instead.
    ///
    /// The message's `Serialize` runs inside this call. Towards another node it runs under the lock of a connection, so it must
    /// not call the node again: what it sends to other nodes is not sent ([`EncodeError::Nested`]), its kills and monitors
    /// follow behind the message, and what needs such a lock for its result, like [`stats`](Self::stats), panics.
    ///
    /// [`EncodeError::Nested`]: crate::codec::EncodeError::Nested
    #[doc(alias = "snd")]
    #[inline]
    #[doc(alias = "cast")]
    pub fn send(&self, to: impl ToPort, message: impl IntoMessage) {
        // A text that is no port ID has been logged.
        let _ = self.inner.with_port(to, |to| self.inner.send(to, message));
    }

    /// Sends a message as [`send`](Self::send) does, and returns an error if it cannot be encoded.
    ///
    /// # Errors
    /// If the codec of the connection cannot carry an element, the ports of this node have no room for the message
    /// ([`SendError::NoRoom`]), or `to` is a text that is not a port ID; nothing was sent and no monitor fires. A message that waits for a connection is encoded later, and then treated as by `send`.
    pub fn try_send(&self, to: impl ToPort, message: impl IntoMessage) -> Result<(), SendError> {
        self.inner.try_send_to(to, message)
    }

    /// Kills a port with a reason, which may hold any values. Does nothing if no port has that ID.
    #[doc(alias = "kil")]
    pub fn kill(&self, port: impl ToPort, reason: Reason) {
        // A text that is no port ID has been logged.
        let _ = self
            .inner
            .with_port(port, |port| self.inner.kill(port, reason));
    }

    /// Runs `then` once when `target` dies, when messages to it may have been lost, or when it does not exist. `then`
    /// is a closure that receives the [`Reason`], a [`Notify`](crate::Notify), a [`Tell`](crate::Tell), or a
    /// [`Kill`](crate::Kill).
    ///
    /// With a bare node ID as target it runs when the connection to that node is lost. Dropping the guard ends the
    /// monitor.
    #[doc(alias = "mon")]
    pub fn monitor(&self, target: impl ToPort, then: impl IntoAction) -> Monitor {
        self.inner.monitor(target, then, None)
    }

    /// Kills `port` with the same reason when `target` dies, unless `target` ends normally; as
    /// `monitor(target, Kill(&port))`, where no port can be taken for the other.
    #[doc(alias = "mon")]
    pub fn link(&self, target: impl ToPort, port: &PortId) -> Monitor {
        self.inner.link(target, port, false)
    }

    /// Waits until `target` dies or messages to it may have been lost. The monitor is set at once, not when the
    /// future is first polled.
    #[doc(alias = "closed")]
    pub fn gone(&self, target: impl ToPort) -> Gone {
        self.inner.gone(target)
    }

    /// Sends `message` with the ID of a reply port appended, and waits for the answer, which may be of any type that a
    /// message's elements deserialize to. The call starts when it is awaited.
    ///
    /// ```
    /// # async fn example(client: aemp::LocalNode, counter: aemp::PortId) -> aemp::Result<()> {
    /// use std::time::Duration;
    /// let (_, total): (String, i64) = client.call(&counter, ("add", 41)).within(Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cal")]
    #[doc(alias = "ask")]
    pub fn call<'m, T: DeserializeOwned + 'm>(
        &self,
        to: impl ToPort,
        message: impl IntoMessage + Send + 'm,
    ) -> Call<'m, T> {
        let port = self.inner.with_port(&to, PortId::clone);
        let port = port.map_err(|error| SendError::no_port_id(&to, error));
        Call::new(self.inner.clone(), port, message)
    }

    /// Runs the function that `node`, a node's ID or one of its ports, offers as `function` as a new port there, and
    /// returns that port's ID, which can be used at once. If there is no such function, or the arguments do not match,
    /// the port does not exist, and a monitor on it fires.
    ///
    /// # Errors
    /// If the arguments cannot be serialized, or `node` is a text that is not an ID.
    pub fn spawn(
        &self,
        node: impl ToPort,
        function: &str,
        arguments: impl IntoMessage,
    ) -> Result<PortId, SendError> {
        let at = self.inner.with_port(&node, |port| port.node().clone());
        let node = &at.map_err(|error| SendError::no_port_id(&node, error))?;
        let port = node.port(self.inner.names.remote());
        let refused = |error| SendError::Encode {
            to: port.clone(),
            error,
        };
        let arguments = arguments
            .into_message()
            .and_then(values_to_send)
            .map_err(refused)?;
        if *node == self.inner.id {
            // At once, so that the port exists before the next message to it.
            node_port::start(
                &self.inner,
                Sender::Local,
                port.port().clone(),
                function,
                arguments.into(),
            );
            return Ok(port);
        }
        let start = ["AnyEvent::MP::_spawn", port.port().as_str(), function]
            .into_iter()
            .map(Value::from);
        let request: Message = start.chain(arguments).collect();
        self.try_send(node, request)?;
        Ok(port)
    }

    /// Offers `make` to other nodes, which can spawn it as a new port of this node, by the name `function`, by convention
    /// `::`-separated. `make` receives this node and the arguments, and returns the port. It runs in the task that
    /// reads the request, so it must not block. Work of the port itself, or work that can fail, belongs in
    /// [`Port::start`] or [`Routes::on_start`](crate::Routes::on_start).
    ///
    /// ```
    /// # fn example(server: aemp::LocalNode) {
    /// use aemp::{PortId, routes};
    /// server.offer("pool::worker", |_node, (name,): (String,)| {
    ///     routes()
    ///         .on("who", move |cx, (reply,): (PortId,)| cx.send(&reply, (name.as_str(),)))
    ///         .on_start(|cx| println!("{} is at work", cx.id()))
    /// });
    /// # }
    /// ```
    #[doc(alias = "export")]
    #[doc(alias = "register")]
    pub fn offer<A, P, F>(&self, function: impl Into<Text>, make: F)
    where
        A: DeserializeOwned,
        P: Port + 'static,
        F: Fn(&Self, A) -> P + Send + Sync + 'static,
    {
        self.inner.functions.offer(function.into(), make);
    }

    /// Offers `run` to other nodes, which can call it by a message to the node port: `[function, arguments...]`. It
    /// must not block. Its error is logged.
    #[doc(alias = "export_fn")]
    pub fn offer_function<A, R, F>(&self, function: impl Into<Text>, run: F)
    where
        A: DeserializeOwned,
        R: Outcome,
        F: Fn(&Self, A) -> R + Send + Sync + 'static,
    {
        self.inner.functions.function(function.into(), run);
    }

    /// Sends `message` to `to` after `delay`. Dropping the guard cancels the timer.
    #[doc(alias = "after")]
    pub fn send_after(
        &self,
        delay: Duration,
        to: impl ToPort,
        message: impl IntoMessage,
    ) -> TimerGuard {
        self.inner.send_after(delay, to, message)
    }

    /// Sends `message` to `to` every `period`, the first time after one period. Dropping the guard cancels the timer.
    pub fn send_every(
        &self,
        period: Duration,
        to: impl ToPort,
        message: impl IntoMessage,
    ) -> TimerGuard {
        self.inner.send_every(period, to, message)
    }

    /// The directory that the nodes of the network share.
    pub fn directory(&self) -> Directory {
        Directory::new(self.inner.clone())
    }

    /// The group of ports called `name`. Ports on any node of the network can join it.
    #[doc(alias = "grp_reg")]
    pub fn group(&self, name: &str) -> Group {
        Group::new(self.inner.clone(), name)
    }

    /// Stops the node: closes the listeners, writes the queues of peers for up to two seconds, closes the links, which
    /// fires the monitors of other nodes on ports here at once, and drops the ports. Returns what could not be
    /// delivered.
    ///
    /// # Cancel safety
    /// Dropping the future, awaited before or not, stops the node all the same; only the report is lost.
    pub async fn shutdown(self) -> ShutdownReport {
        self.inner.life.stop(None).await
    }

    /// Stops the node as [`shutdown`](Self::shutdown) does, with another limit for writing the queues. If the node is
    /// stopping already, the first limit applies.
    pub async fn shutdown_within(self, limit: Duration) -> ShutdownReport {
        self.inner.life.stop(Some(limit)).await
    }
}

impl Node for LocalNode {
    fn id(&self) -> &NodeId {
        &self.inner.id
    }

    fn send(&self, frame: &Frame<'_>) -> Result<(), SendError> {
        let port = PortName::from(frame.port);
        match frame.to_values() {
            Ok(values) => self.inner.shards.deliver_or_kill(&port, values.into()),
            Err(error) => {
                return Err(SendError::Encode {
                    to: self.inner.id.port(port),
                    error,
                });
            }
        }
        Ok(())
    }

    fn kill(&self, port: &PortName, reason: Reason) {
        self.inner.kill(&self.inner.id.port(port.clone()), reason);
    }

    fn monitor(&self, port: &PortName, then: Action) -> Monitor {
        self.inner.watch(&self.inner.id.port(port.clone()), then)
    }
}

impl fmt::Debug for LocalNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalNode({})", self.inner.id)
    }
}
