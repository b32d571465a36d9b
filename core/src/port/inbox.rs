//! `Inbox`: a port that is awaited instead of called.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Context, Port};
use crate::node::Inner;
use crate::{Message, PortId, Reason, reason};

/// A port whose messages are awaited. Dropping it ends the port.
///
/// Messages that wait are limited by size ([`Config::inbox_limit`](crate::Config::inbox_limit)); past the limit
/// the port is killed with the reason `inbox_full LIMIT`, so that its monitors fire.
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
pub struct Inbox {
    id: PortId,
    node: Arc<Inner>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    bytes: usize,
    dead: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    pub(crate) fn new(node: &Arc<Inner>) -> Self {
        let shared = Arc::new(Shared::default());
        let limit = node.config.inbox_limit;
        let id = node.add_port(Receiver {
            shared: shared.clone(),
            limit,
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

    /// The next message; `None` when the port was killed and all messages are taken.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            {
                let mut state = self.shared.lock();
                if let Some(message) = state.waiting.pop_front() {
                    state.bytes -= message.cost();
                    return Some(message);
                }
                if state.dead {
                    return None;
                }
            }
            // A permit is kept from a message that came in between.
            self.shared.arrived.notified().await;
        }
    }

    /// The next message if one is there.
    pub fn try_recv(&mut self) -> Option<Message> {
        let mut state = self.shared.lock();
        let message = state.waiting.pop_front()?;
        state.bytes -= message.cost();
        Some(message)
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
    limit: usize,
}

impl Port for Receiver {
    fn receive(&mut self, _: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let mut state = self.shared.lock();
        state.bytes += message.cost();
        if state.bytes > self.limit {
            return Err(reason!["inbox_full", self.limit as u64]);
        }
        state.waiting.push_back(message);
        drop(state);
        self.shared.arrived.notify_one();
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.lock().dead = true;
        self.shared.arrived.notify_one();
    }
}
