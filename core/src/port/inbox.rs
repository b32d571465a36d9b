//! `Inbox`: a port that is awaited instead of called.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use aemp_proto::message::cost_of_message;

use super::{Context, Port};
use crate::node::Inner;
use crate::watchdog::defer_wake;
use crate::{Message, PortId, Reason, reason};

/// A port whose messages are awaited. Dropping it ends the port.
///
/// The waiting messages are limited by their size ([`Config::inbox_limit`](crate::Config::inbox_limit)) and by the bounds
/// of [`inbox_with`](crate::LocalNode::inbox_with). Above a limit the port is killed with the reason `inbox_full
/// LIMIT`, so that its monitors fire, unless it is lossy.
///
/// ```
/// # async fn example(node: aemp_core::LocalNode) {
/// let mut inbox = node.inbox();
/// node.send(inbox.id(), ("hello",));
/// while let Some(message) = inbox.recv().await {
///     println!("{message:?}");
/// }
/// # }
/// ```
#[must_use = "the port ends when its inbox is dropped"]
pub struct Inbox {
    id: PortId,
    node: Arc<Inner>,
    shared: Arc<Shared>,
}

/// The bounds of an inbox, and its behaviour when it is full.
///
/// ```
/// # async fn example(node: aemp_core::LocalNode) {
/// // Keep at most a hundred prices; drop later ones while the reader is behind.
/// let prices = node.inbox_with(|bounds| {
///     bounds.messages = 100;
///     bounds.lossy = true;
/// });
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InboxBounds {
    /// Maximum number of waiting messages; no limit by default.
    pub messages: usize,
    /// Maximum bytes of waiting messages; [`Config::inbox_limit`](crate::Config::inbox_limit) by default.
    pub bytes: usize,
    /// Drop messages for which there is no room instead of killing the port; off by default. Dropped messages are counted
    /// ([`Inbox::dropped`]), but no monitor fires: this is an exception to the guarantee that no message is lost
    /// silently.
    pub lossy: bool,
}

impl InboxBounds {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            messages: usize::MAX,
            bytes,
            lossy: false,
        }
    }
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    bytes: usize,
    dropped: u64,
    dead: bool,
    /// The waker of the task that awaits the next message.
    waker: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock and wakes the task that awaits a message.
    fn wake(mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            defer_wake(waker);
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Message> {
        let message = self.waiting.pop_front()?;
        self.bytes -= cost_of_message(&message);
        Some(message)
    }
}

impl Inbox {
    pub(crate) fn new(node: &Arc<Inner>, bounds: InboxBounds) -> Self {
        let shared = Arc::new(Shared::default());
        let id = node.add_port(Receiver {
            shared: shared.clone(),
            bounds,
        });
        Self {
            id,
            node: node.clone(),
            shared,
        }
    }

    /// The port's ID.
    pub fn id(&self) -> &PortId {
        &self.id
    }

    /// The next message; `None` after the port was killed and all messages were returned.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            if let Some(message) = state.take() {
                return Poll::Ready(Some(message));
            }
            if state.dead {
                return Poll::Ready(None);
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The number of messages that a lossy inbox has dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// The next message, if one is waiting.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.shared.lock().take()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.node
            .shards
            .kill(self.id.port().clone(), Reason::normal());
    }
}

/// The port behind an inbox.
struct Receiver {
    shared: Arc<Shared>,
    bounds: InboxBounds,
}

impl Port for Receiver {
    fn receive(&mut self, _: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let InboxBounds {
            messages,
            bytes,
            lossy,
        } = self.bounds;
        let mut state = self.shared.lock();
        let (count, size) = (
            state.waiting.len() + 1,
            state.bytes + cost_of_message(&message),
        );
        if count > messages || size > bytes {
            if lossy {
                state.dropped += 1;
                return Ok(());
            }
            let limit = if count > messages { messages } else { bytes };
            return Err(reason!["inbox_full", limit as u64]);
        }
        state.bytes = size;
        state.waiting.push_back(message);
        Shared::wake(state);
        Ok(())
    }

    fn queued(&self) -> usize {
        self.shared.lock().waiting.len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.dead = true;
        Shared::wake(state);
    }
}
