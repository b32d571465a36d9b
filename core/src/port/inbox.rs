//! `Inbox`: a port that is awaited instead of called.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::task::{Poll, Waker};

use aemp_proto::map::HashMap;
use aemp_proto::message::cost_of_message;
use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tracing::Span;

use super::{Context, Pool, PortRef, ShardPort, Unhandled};
use crate::guard;
use crate::node::Inner;
use crate::trace::TraceContext;
use crate::watchdog::defer_wake;
use crate::{Message, ParseError, PortId, PortName, Reason, reason};

/// A port whose messages are awaited. Dropping it ends the port.
///
/// It is a [`Stream`] as well. An `Inbox<M>` is that of a [`typed_inbox`](crate::LocalNode::typed_inbox): its messages are
/// `M`s, and a message that is none kills it with `unhandled_message TEXT`, as it kills a
/// [`typed_port`](crate::LocalNode::typed_port).
///
/// The waiting messages are limited by their size ([`Config::inbox_limit`](crate::Config::inbox_limit)) and by the bounds
/// of [`inbox_with`](crate::LocalNode::inbox_with). Above a limit the port is killed with the reason `inbox_full
/// LIMIT`, so that its monitors fire, unless it drops what has no room ([`Overflow`]).
///
/// ```
/// # async fn example(node: aemp::LocalNode) {
/// let mut inbox = node.inbox();
/// node.send(inbox.id(), ("hello",));
/// while let Some(message) = inbox.recv().await {
///     println!("{message:?}");
/// }
/// # }
/// ```
#[must_use = "the port ends when its inbox is dropped"]
#[doc(alias = "mailbox")]
#[doc(alias = "channel")]
pub struct Inbox<M = Message> {
    port: PortRef<M>,
    node: Arc<Inner>,
    shared: Arc<Shared<M>>,
}

/// The bounds of an inbox, and its behavior when it is full.
///
/// ```
/// # async fn example(node: aemp::LocalNode) {
/// use aemp::Overflow;
/// // Keep at most a hundred prices; drop later ones while the reader is behind.
/// let prices = node.inbox_with(|bounds| {
///     bounds.messages = 100;
///     bounds.overflow = Overflow::DropNewest;
/// });
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
#[doc(alias = "InboxBounds")]
pub struct InboxConfig {
    /// Maximum number of waiting messages; no limit by default.
    pub messages: usize,
    /// Maximum bytes of waiting messages; [`Config::inbox_limit`](crate::Config::inbox_limit) by default. Of a message that
    /// a sender of this node has moved to a typed inbox, what it points to is not counted: bound their number.
    pub bytes: usize,
    /// What happens to a message for which there is no room; by default the port is killed.
    #[doc(alias = "lossy")]
    pub overflow: Overflow,
    /// What becomes of a message that does not fit the type of a typed inbox; by default the port is killed.
    pub unhandled: Unhandled,
}

/// What an inbox does with a message for which it has no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The port is killed with `inbox_full LIMIT`, so its monitors fire.
    #[default]
    Kill,
    /// The message is dropped and counted ([`Inbox::dropped`]). No monitor fires: this is an exception to the guarantee
    /// that no message is lost silently.
    DropNewest,
}

impl InboxConfig {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            messages: usize::MAX,
            bytes,
            overflow: Overflow::Kill,
            unhandled: Unhandled::Kill,
        }
    }
}

struct Shared<M> {
    state: Mutex<State<M>>,
    bounds: InboxConfig,
    marks: Marks,
    /// Notified when what waits has fallen below the marks, and when the port has died.
    lowered: Notify,
}

/// How much may wait for who awaits that there is room.
#[derive(Clone, Copy)]
struct Marks {
    messages: usize,
    bytes: usize,
}

/// A message, and the trace that it belongs to.
type Received<M> = (M, Option<Box<TraceContext>>);

struct State<M> {
    /// The messages, each with its cost in bytes.
    waiting: VecDeque<(M, usize)>,
    bytes: usize,
    /// Messages that were taken so far.
    taken: u64,
    /// The traces of waiting messages, each with the number of its message.
    contexts: VecDeque<(u64, Box<TraceContext>)>,
    dropped: u64,
    dead: bool,
    /// The waker of the task that awaits the next message.
    waker: Option<Waker>,
}

impl<M> Drop for Shared<M> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        // Values of the program: each destructor may panic.
        guard::dispose_all(state.waiting.drain(..));
    }
}

impl<M> Shared<M> {
    fn new(bounds: InboxConfig, marks: Marks) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            taken: 0,
            contexts: VecDeque::new(),
            dropped: 0,
            dead: false,
            waker: None,
        };
        Self {
            state: Mutex::new(state),
            bounds,
            marks,
            lowered: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message, if one is waiting.
    fn take(&self) -> Option<Received<M>> {
        self.take_of(self.lock()).ok()
    }

    /// The next message; the state if none is waiting.
    fn take_of<'s>(
        &self,
        mut state: MutexGuard<'s, State<M>>,
    ) -> Result<Received<M>, MutexGuard<'s, State<M>>> {
        let was_below = state.is_below(self.marks);
        let Some((message, cost)) = state.waiting.pop_front() else {
            return Err(state);
        };
        state.bytes -= cost;
        state.taken += 1;
        let taken = state.taken;
        let context = state.contexts.pop_front_if(|(number, _)| *number == taken);
        let is_lowered = !was_below && state.is_below(self.marks);
        drop(state);
        if is_lowered {
            self.lowered.notify_waiters();
        }
        Ok((message, context.map(|(_, context)| context)))
    }

    /// Releases the lock and wakes the task that awaits a message.
    fn wake(mut state: MutexGuard<'_, State<M>>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            defer_wake(waker);
        }
    }
}

impl<M> State<M> {
    fn is_below(&self, marks: Marks) -> bool {
        self.waiting.len() < marks.messages && self.bytes < marks.bytes
    }
}

/// An inbox, for senders that wait until it has room.
pub(crate) trait InboxRoom: Send + Sync {
    /// Whether it has, or is dead.
    fn has_room(&self) -> bool;
    /// Notified when it has.
    fn lowered(&self) -> &Notify;
    /// Whether `queued` bytes in the queue of its shard may be more than it has room for.
    fn is_small(&self, queued: usize) -> bool;
}

/// Bytes that the queue of a shard may hold beyond those that are counted: one chunk, and one that is processed.
const UNCOUNTED: usize = 1 << 20;

impl<M: Send> InboxRoom for Shared<M> {
    fn has_room(&self) -> bool {
        let state = self.lock();
        state.dead || state.is_below(self.marks)
    }

    fn lowered(&self) -> &Notify {
        &self.lowered
    }

    fn is_small(&self, queued: usize) -> bool {
        let (bounds, marks) = (&self.bounds, self.marks);
        let queued = queued + UNCOUNTED;
        // A message has a byte at least.
        bounds.messages.saturating_sub(marks.messages) < queued
            || bounds.bytes.saturating_sub(marks.bytes) < queued
    }
}

/// The inboxes of a node, by the names of their ports.
#[derive(Default)]
pub(crate) struct Inboxes(RwLock<HashMap<PortName, Arc<dyn InboxRoom>>>);

impl Inboxes {
    pub(crate) fn get(&self, port: &PortName) -> Option<Arc<dyn InboxRoom>> {
        let inboxes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inboxes.get(port).cloned()
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<PortName, Arc<dyn InboxRoom>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    pub(crate) fn new(node: &Arc<Inner>, bounds: InboxConfig) -> Self {
        Self::start(node, bounds, Ok, cost_of_message)
    }
}

impl<M: DeserializeOwned + Send + 'static> Inbox<M> {
    pub(crate) fn typed(node: &Arc<Inner>, bounds: InboxConfig) -> Self {
        // What the value points to is not known.
        Self::start(node, bounds, Message::parse, |_| size_of::<(M, usize)>())
    }
}

impl<M: Send + 'static> Inbox<M> {
    fn start(
        node: &Arc<Inner>,
        bounds: InboxConfig,
        parse: Parse<M>,
        cost: fn(&M) -> usize,
    ) -> Self {
        let marks = Marks {
            messages: (bounds.messages / 2).max(1),
            bytes: (bounds.bytes / 2).clamp(1, node.config.high_water),
        };
        let shared = Arc::new(Shared::new(bounds, marks));
        let id = node.add_port(Receiver {
            shared: shared.clone(),
            parse,
            cost,
            next: None,
        });
        node.inboxes
            .write()
            .insert(id.port().clone(), shared.clone());
        Self {
            port: PortRef::unchecked(id),
            node: node.clone(),
            shared,
        }
    }
}

impl<M> Inbox<M> {
    /// The port's ID.
    pub fn id(&self) -> &PortId {
        self.port.id()
    }

    /// The port's ID, with the type of its messages.
    pub fn port(&self) -> &PortRef<M> {
        &self.port
    }

    /// The next message; `None` after the port was killed and all messages were returned.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    pub async fn recv(&mut self) -> Option<M> {
        let received = poll_fn(|cx| self.poll_recv(cx)).await;
        received.map(|(message, _)| message)
    }

    /// The next message, as [`recv`](Self::recv) returns it, with a span of the trace that it belongs to; see
    /// [`Propagator`](crate::trace::Propagator). The span is disabled if the message belongs to none.
    ///
    /// ```
    /// # async fn handle(message: aemp::Message) {}
    /// # async fn example(node: aemp::LocalNode) {
    /// use tracing::Instrument;
    ///
    /// let mut inbox = node.inbox();
    /// while let Some((message, span)) = inbox.recv_traced().await {
    ///     handle(message).instrument(span).await;
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    pub async fn recv_traced(&mut self) -> Option<(M, Span)> {
        let (message, context) = poll_fn(|cx| self.poll_recv(cx)).await?;
        let span = self.node.span(context.as_deref(), self.id().port());
        Some((message, span))
    }

    fn poll_recv(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Option<Received<M>>> {
        let mut state = match self.shared.take_of(self.shared.lock()) {
            Ok(received) => return Poll::Ready(Some(received)),
            Err(state) => state,
        };
        if state.dead {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The number of messages that this inbox has dropped so far ([`Overflow::DropNewest`]).
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// The next message, if one is waiting.
    pub fn try_recv(&mut self) -> Option<M> {
        let received = self.shared.take();
        received.map(|(message, _)| message)
    }
}

/// The messages, as of [`recv`](Inbox::recv).
impl<M> Stream for Inbox<M> {
    type Item = M;

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        let received = self.get_mut().poll_recv(cx);
        received.map(|received| received.map(|(message, _)| message))
    }
}

impl<M> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({})", self.id())
    }
}

impl<M> Drop for Inbox<M> {
    fn drop(&mut self) {
        let port = self.id().port();
        self.node.inboxes.write().remove(port);
        self.node.shards.kill(port.clone(), Reason::normal());
    }
}

type Parse<M> = fn(Message) -> Result<M, ParseError>;

/// The port behind an inbox.
struct Receiver<M> {
    shared: Arc<Shared<M>>,
    parse: Parse<M>,
    /// The bytes that a moved message keeps alive.
    cost: fn(&M) -> usize,
    /// The trace of the message that comes next.
    next: Option<Box<TraceContext>>,
}

impl<M> Receiver<M> {
    /// Adds a message that keeps about `cost` bytes alive.
    fn add(
        &mut self,
        message: M,
        cost: usize,
        context: Option<Box<TraceContext>>,
    ) -> Result<(), Reason> {
        let cost = cost + context.as_ref().map_or(0, |context| context.memory());
        let InboxConfig {
            messages,
            bytes,
            overflow,
            ..
        } = self.shared.bounds;
        let mut state = self.shared.lock();
        let (count, size) = (state.waiting.len() + 1, state.bytes + cost);
        if count > messages || size > bytes {
            let limit = if count > messages { messages } else { bytes };
            return match overflow {
                Overflow::Kill => Err(reason!["inbox_full", limit as u64]),
                Overflow::DropNewest => {
                    state.dropped += 1;
                    Ok(())
                }
            };
        }
        state.bytes = size;
        state.waiting.push_back((message, cost));
        if let Some(context) = context {
            let number = state.taken + state.waiting.len() as u64;
            state.contexts.push_back((number, context));
        }
        Shared::wake(state);
        Ok(())
    }
}

impl<M: Send + 'static> ShardPort for Receiver<M> {
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let context = self.next.take();
        let cost = cost_of_message(&message);
        match (self.parse)(message) {
            Ok(message) => self.add(message, cost, context),
            Err(error) => cx.unhandled(self.shared.bounds.unhandled, error),
        }
    }

    fn receive_moved(
        &mut self,
        _: &mut Context<'_>,
        pool: &mut dyn Pool,
    ) -> Option<Result<(), Reason>> {
        let message = pool.of::<M>()?.pop_front()?;
        let cost = (self.cost)(&message);
        let context = self.next.take();
        Some(self.add(message, cost, context))
    }

    fn keep_context(&mut self, context: Box<TraceContext>) -> Option<Box<TraceContext>> {
        self.next = Some(context);
        None
    }

    fn forget_context(&mut self) {
        self.next = None;
    }

    fn queued(&self) -> usize {
        self.shared.lock().waiting.len()
    }
}

impl<M> Drop for Receiver<M> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.dead = true;
        Shared::wake(state);
        self.shared.lowered.notify_waiters();
    }
}
