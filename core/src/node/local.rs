//! `LocalNode`: the handle that programs hold.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aemp_proto::message::values_to_send;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{Builder, Call, Directory, Group, Inner, Node, NodeStats, Timer, node_port};
use crate::codec::Frame;
use crate::error::{JoinError, SendError};
use crate::lifecycle::Shutdown;
use crate::link::{self, SeedInfo};
use crate::message::{IntoMessage, Message};
use crate::monitor::{Action, IntoAction, Monitor};
use crate::port::{Inbox, InboxBounds, Outcome, Port};
use crate::shard::PortStats;
use crate::traffic::{Events, LinkInfo, Tap, TapOptions};
use crate::{Address, NodeId, PortId, PortName, Reason, Text, Value};

/// A node in this process. Clones are the same node, which stops when the last of them is dropped or when
/// [`shutdown`](Self::shutdown) is called. A clone that a port of the node itself holds counts as well; inside a port
/// use [`Context::node`](crate::Context::node) where it is needed.
///
/// Made by [`builder`](Self::builder), or, with every enabled transport and codec, by the facade's `aemp::node()`.
#[derive(Clone)]
pub struct LocalNode {
    inner: Arc<Inner>,
    _keep: Option<Arc<Keep>>,
}

/// Stops the node when the last handle is gone.
pub(super) struct Keep(CancellationToken);

impl Drop for Keep {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl LocalNode {
    /// A builder without transports and codecs.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let keep = Arc::new(Keep(inner.life.stop.clone()));
        *inner.keep.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&keep);
        Self {
            inner,
            _keep: Some(keep),
        }
    }

    /// A handle for those who run inside the node. Once the node stops it keeps nothing alive.
    pub(crate) fn from_inner(inner: &Arc<Inner>) -> Self {
        let keep = inner
            .keep
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade();
        Self {
            inner: inner.clone(),
            _keep: keep,
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The node's ID.
    pub fn id(&self) -> &NodeId {
        &self.inner.id
    }

    /// Makes a port that handles its messages with `port`: a closure, [`routes`](crate::routes), or a type.
    #[doc(alias = "rcv")]
    pub fn port(&self, port: impl Port + 'static) -> PortId {
        self.inner.add_port(port)
    }

    /// Makes a port under a name of its own, so that others can know its ID beforehand. `None` if a port of
    /// that name lives, or the name is empty. Names that begin with `?` are for ports that take the answers of calls: what
    /// cannot be encoded for such a port kills it.
    pub fn port_named(
        &self,
        name: impl Into<PortName>,
        port: impl Port + 'static,
    ) -> Option<PortId> {
        self.inner.add_named_port(name.into(), Box::new(port), None)
    }

    /// Makes a port whose messages are awaited.
    pub fn inbox(&self) -> Inbox {
        self.inbox_with(|_| ())
    }

    /// Makes a port whose messages are awaited, with other bounds than the usual on what may wait.
    pub fn inbox_with(&self, change: impl FnOnce(&mut InboxBounds)) -> Inbox {
        let mut bounds = InboxBounds::new(self.inner.config.inbox_limit);
        change(&mut bounds);
        Inbox::new(&self.inner, bounds)
    }

    /// Sends a message to a port of this or any other node. Never blocks.
    ///
    /// `message` is a [`Message`] or anything that serialises to a list of elements, such as a tuple. A port that
    /// does not exist drops it. One that cannot be encoded for the connection is logged, and this node's monitors
    /// on the port fire with `encode_error NODE PATH`; use [`try_send`](Self::try_send) to be told instead.
    ///
    /// A type's own `Serialize` runs inside this call and must not send to the same node itself.
    #[doc(alias = "snd")]
    #[inline]
    pub fn send(&self, to: &PortId, message: impl IntoMessage) {
        self.inner.send(to, message);
    }

    /// Sends a message as [`send`](Self::send) does, and says if it cannot be encoded.
    ///
    /// # Errors
    /// If the codec of the connection cannot carry an element; nothing was sent and no monitor fires. A message
    /// that has to wait for a connection meets the codec later, and is treated as by `send` then.
    pub fn try_send(&self, to: &PortId, message: impl IntoMessage) -> Result<(), SendError> {
        self.inner.try_send(to, message, None)
    }

    /// Waits until few enough bytes wait for `node` (`Config::high_water`): what a fast producer awaits
    /// between sends, so that a slow peer slows it down.
    pub async fn ready(&self, node: &NodeId) {
        if node != self.id() {
            self.inner
                .network
                .peer(node)
                .ready(self.inner.config.high_water)
                .await;
        }
    }

    /// Kills a port with a reason of any values. No port of that ID: nothing happens.
    #[doc(alias = "kil")]
    pub fn kill(&self, port: &PortId, reason: Reason) {
        self.inner.kill(port, reason);
    }

    /// Lets `then` happen once when `target` dies or messages to it may have been lost, or when it does not
    /// exist: a closure that gets the [`Reason`], or a [`Notify`](crate::Notify).
    ///
    /// A bare node ID as target fires when the connection to that node is lost. The guard ends the monitor.
    #[doc(alias = "mon")]
    pub fn monitor(&self, target: &PortId, then: impl IntoAction) -> Monitor {
        self.inner.monitor(target, then, None)
    }

    /// Kills `port` with the same reason when `target` dies, unless `target` comes to an ordinary end.
    #[doc(alias = "mon")]
    pub fn link(&self, target: &PortId, port: &PortId) -> Monitor {
        self.inner.link(target, port, false)
    }

    /// Waits until `target` dies or messages to it may have been lost. The monitor is set at once, not when the
    /// future is first polled.
    ///
    /// # Cancel safety
    /// Dropping the future ends the monitor.
    pub fn gone(&self, target: &PortId) -> impl Future<Output = Reason> + Send + use<> {
        self.inner.gone(target)
    }

    /// Sends `message` with a reply port ID appended and waits for the answer, which may be of any type that a
    /// message's elements deserialise to. Starts when awaited.
    ///
    /// ```
    /// # async fn example(client: aemp_core::LocalNode, counter: aemp_core::PortId) -> aemp_core::Result<()> {
    /// use std::time::Duration;
    /// let (_, total): (String, i64) = client.call(&counter, ("add", 41)).within(Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cal")]
    pub fn call<'m, M: IntoMessage + 'm, T: DeserializeOwned>(
        &self,
        to: &PortId,
        message: M,
    ) -> Call<'m, M, T> {
        Call::new(self.inner.clone(), to.clone(), message)
    }

    /// Runs the function that `node` offers under `function` as a new port there, and gives that port's ID,
    /// which can be used at once. If there is no such function, or its arguments do not fit, the port does not
    /// exist, as a monitor on it tells.
    ///
    /// # Errors
    /// If the arguments cannot be serialised.
    pub fn spawn(
        &self,
        node: &NodeId,
        function: &str,
        arguments: impl IntoMessage,
    ) -> Result<PortId, SendError> {
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
            // At once, so that what is sent to it next finds it.
            node_port::start(
                &self.inner,
                node_port::Sender::Here,
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
        self.try_send(&PortId::from(node.clone()), request)?;
        Ok(port)
    }

    /// Lets others run `make` as a new port of this node, under the name `function`, which is by custom
    /// `::`-separated. `make` gets this node and the arguments, and returns the port. It runs where the request is
    /// read, so it must not block. What is to be done as that port, or may fail, belongs into
    /// [`Port::start`] or [`Routes::at_start`](crate::Routes::at_start).
    ///
    /// ```
    /// # fn example(server: aemp_core::LocalNode) {
    /// use aemp_core::{PortId, routes};
    /// server.offer("pool::worker", |_node, (name,): (String,)| {
    ///     routes()
    ///         .on("who", move |cx, (reply,): (PortId,)| cx.send(&reply, (name.as_str(),)))
    ///         .at_start(|cx| println!("{} is at work", cx.id()))
    /// });
    /// # }
    /// ```
    pub fn offer<A, P, F>(&self, function: impl Into<Text>, make: F)
    where
        A: DeserializeOwned,
        P: Port + 'static,
        F: Fn(&Self, A) -> P + Send + Sync + 'static,
    {
        self.inner.functions.offer(function.into(), make);
    }

    /// Lets others call `run` by a message to the node port: `[function, arguments...]`. It must not block; its
    /// error is logged.
    pub fn offer_function<A, R, F>(&self, function: impl Into<Text>, run: F)
    where
        A: DeserializeOwned,
        R: Outcome,
        F: Fn(&Self, A) -> R + Send + Sync + 'static,
    {
        self.inner.functions.function(function.into(), run);
    }

    /// Sends `message` to `to` after `delay`. The guard cancels it.
    #[doc(alias = "after")]
    pub fn send_after(&self, delay: Duration, to: &PortId, message: impl IntoMessage) -> Timer {
        self.inner.send_after(delay, to, message)
    }

    /// Sends `message` to `to` every `period`, the first time after one period. The guard cancels it.
    pub fn send_every(&self, period: Duration, to: &PortId, message: impl IntoMessage) -> Timer {
        self.inner.send_every(period, to, message)
    }

    /// Tells where `node` can be reached, best address first, so that sending to it connects on demand. Replaces
    /// what was known before. The address that worked last is tried first all the same.
    pub fn add_peer(&self, node: &NodeId, addresses: impl IntoIterator<Item = Address>) {
        self.inner
            .network
            .peer(node)
            .set_addresses(addresses.into_iter().collect());
    }

    /// Keeps a connection to `address` from now on, whoever answers there, with a pause between attempts that doubles
    /// from 1.2 s to `monitor_timeout`. A name is looked up anew at each attempt. False if it is a seed already.
    #[doc(alias = "seeds")]
    pub fn add_seed(&self, address: Address) -> bool {
        link::add_seed(&self.inner.links, address)
    }

    /// Makes no more attempts to connect to `address`. False if it is no seed.
    ///
    /// A connection that is open stays, since its other end may be in the middle of work with this node, and losing it
    /// would fire monitors: from now on it is like any other, and is not made again when it ends.
    pub fn remove_seed(&self, address: &Address) -> bool {
        link::remove_seed(&self.inner.links, address)
    }

    /// The seeds of this node and how each stands, in the order in which they were added.
    pub fn seeds(&self) -> Vec<SeedInfo> {
        let seeds = self.inner.links.seeds();
        seeds.iter().map(|seed| seed.info()).collect()
    }

    /// The directory that the nodes of the network share.
    pub fn directory(&self) -> Directory {
        Directory::new(self.inner.clone())
    }

    /// The group of ports called `name`: whoever joins it on any node of the network.
    #[doc(alias = "grp_reg")]
    pub fn group(&self, name: &str) -> Group {
        Group::new(self.inner.clone(), name)
    }

    /// The addresses at which this node listens, as others reach it, best first: in the order of the binds and within
    /// one as its transport says, but link-local addresses after all others and loopback ones last.
    #[doc(alias = "binds")]
    pub fn addresses(&self) -> Vec<Address> {
        self.inner.addresses()
    }

    /// The connections that are up, by peer.
    pub fn links(&self) -> Vec<LinkInfo> {
        self.inner
            .network
            .peers()
            .iter()
            .filter_map(|peer| peer.link())
            .collect()
    }

    /// What the node does: traffic, queues and signs of life of its connections, work of its shards.
    pub fn stats(&self) -> NodeStats {
        self.inner.stats()
    }

    /// The ports that live on this node, by name, those included that a call or an inbox has made. What was sent before is
    /// worked off first. It is a list of all of them: not for every second of a node with a million.
    pub async fn ports(&self) -> Vec<PortStats> {
        self.inner.shards.ports().await
    }

    /// Copies [`stats`](Self::stats) to the recorder of the `metrics` facade every `period`, until the node stops. Names
    /// begin with `aemp_`; links are labelled with `node` and `peer`, shards with `node` and `shard`.
    #[cfg(feature = "metrics")]
    pub fn export_metrics(&self, period: Duration) {
        self.inner
            .spawn(super::metrics::export(self.inner.clone(), period));
    }

    /// Waits until the node is connected to one of its seeds, or has failed to connect to every one of them once.
    /// A node without seeds has joined.
    ///
    /// # Errors
    /// What happened at the last of the seeds. The node goes on trying.
    pub async fn joined(&self) -> Result<(), JoinError> {
        let joined = link::joined(&self.inner.links).await;
        joined.map_err(|(address, text)| JoinError {
            node: self.inner.id.as_str().into(),
            address,
            text,
        })
    }

    /// Peers that come up and go down from now on.
    pub fn events(&self) -> Events {
        Events(self.inner.subscribe())
    }

    /// Follows the messages that cross the node's links from now on, both ways, with the links that are up, come up and
    /// go down. No link waits for whoever reads the tap: what it cannot take is counted and left out. What the node's ports
    /// send to each other crosses no link. While there is no tap it costs a look at one flag for each message.
    ///
    /// ```
    /// # async fn example(node: aemp_core::LocalNode) {
    /// use aemp_core::{TapOptions, Tapped};
    /// let mut tap = node.tap(TapOptions::new().matching("worker#jobs").rate(100));
    /// while let Some(tapped) = tap.recv().await {
    ///     if let Tapped::Message(message) = tapped {
    ///         println!("{} bytes, {} {}", message.len, if message.sent { "to" } else { "from" }, message.peer);
    ///     }
    /// }
    /// # }
    /// ```
    pub fn tap(&self, options: TapOptions) -> Tap {
        let first = || self.links();
        let node = (&self.inner.id, &self.inner.life.runtime);
        Tap::start(&self.inner.network.taps, node, options, first)
    }

    /// Stops the node: listeners close, what is queued for peers goes out for up to two seconds, links close, which
    /// fires the monitors of other nodes on ports here at once, and ports are dropped. Says what could not be delivered.
    pub async fn shutdown(self) -> Shutdown {
        self.inner.life.stop(None).await
    }

    /// The same with another limit for what is queued. If the node stops already, the limit of who came first counts.
    pub async fn shutdown_within(self, limit: Duration) -> Shutdown {
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
            Ok(values) => self.inner.shards.deliver(&port, values.into()),
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
