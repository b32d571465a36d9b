//! `Call`: a request message with one answer.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::Inner;
use crate::error::CallError;
use crate::message::IntoMessage;
use crate::port::{Context, Port};
use crate::shard::NewPort;
use crate::watchdog::with_deferred_wake;
use crate::{Message, PortId, Reason};

/// A call that starts when it is awaited; made by [`LocalNode::call`](crate::LocalNode::call)
/// and [`LocalNode::ask`](crate::LocalNode::ask).
///
/// # Cancel safety
/// Dropping the future cancels the call: a later answer is dropped. The message may have been sent.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'m, M, T> {
    node: Arc<Inner>,
    to: PortId,
    message: Source<'m, M>,
    within: Option<Duration>,
    /// A guard that is kept until the call is dropped.
    guard: Option<Box<dyn Guard + 'm>>,
    /// The lifetime of the data that the message borrows.
    lifetime: PhantomData<&'m ()>,
    answer: PhantomData<fn() -> T>,
}

/// The message of a call, and the place of the reply port in it.
enum Source<'m, M> {
    /// At its end.
    Appended(M),
    /// Where the function puts it.
    Placed(Box<dyn FnOnce(PortId) -> M + Send + 'm>),
}

impl<'m, M: IntoMessage, T: DeserializeOwned> Call<'m, M, T> {
    /// A call whose message has the reply port appended.
    pub(super) fn new(node: Arc<Inner>, to: PortId, message: M) -> Self {
        Self::with(node, to, Source::Appended(message))
    }

    /// A call whose message is made of the reply port.
    pub(super) fn asking(
        node: Arc<Inner>,
        to: PortId,
        message: Box<dyn FnOnce(PortId) -> M + Send + 'm>,
    ) -> Self {
        Self::with(node, to, Source::Placed(message))
    }

    fn with(node: Arc<Inner>, to: PortId, message: Source<'m, M>) -> Self {
        Self {
            node,
            to,
            message,
            within: None,
            guard: None,
            lifetime: PhantomData,
            answer: PhantomData,
        }
    }

    /// Fails after `limit` with [`CallError::TimedOut`].
    ///
    /// A call with a limit to another node monitors only that node, which costs no message: a port that does not exist
    /// there is reported as a timeout. A call without a limit monitors the port (protocol.md section 5).
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// Keeps `guard` until the call is dropped.
    pub(super) fn with_guard(mut self, guard: Box<dyn Guard + 'm>) -> Self {
        self.guard = Some(guard);
        self
    }

    async fn run(self) -> Result<T, CallError> {
        let Self {
            node,
            to,
            message,
            within,
            guard: _guard,
            ..
        } = self;
        let (answer, answered) = oneshot::channel();
        let reply = ReplyPort::new(&node, answer);
        let watched = if within.is_some() && to.node() != &node.id {
            to.node().clone().into()
        } else {
            to.clone()
        };
        let _watch = node.link(&watched, &reply.id, true);
        match message {
            Source::Appended(message) => node.try_send(&to, message, Some(&reply.id))?,
            Source::Placed(make) => node.try_send(&to, make(reply.id.clone()), None)?,
        }
        let answered = async {
            with_deferred_wake(answered)
                .await
                .unwrap_or_else(|_| Err(node.life.stopped_reason()))
        };
        let outcome = match within {
            Some(limit) => {
                let answered = node.within(limit, answered).await;
                answered.ok_or_else(|| CallError::TimedOut {
                    to: to.clone(),
                    limit,
                })?
            }
            None => answered.await,
        };
        let message = outcome.map_err(|reason| CallError::Gone {
            to: to.clone(),
            reason,
        })?;
        message
            .parse()
            .map_err(|error| CallError::Answer { to, error })
    }
}

impl<'m, M, T> IntoFuture for Call<'m, M, T>
where
    M: IntoMessage + Send + 'm,
    T: DeserializeOwned + 'm,
{
    type Output = Result<T, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'm>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Any value with a destructor.
pub(super) trait Guard: Send {}
impl<T: Send> Guard for T {}

type Answer = Result<Message, Reason>;

/// The port that receives the answer. It dies with the first message, with the port to which it is linked, or with the
/// call.
struct ReplyPort {
    node: Arc<Inner>,
    id: PortId,
}

impl ReplyPort {
    fn new(node: &Arc<Inner>, answer: oneshot::Sender<Answer>) -> Self {
        let answer = Arc::new(std::sync::Mutex::new(Some(answer)));
        let send = move |slot: &std::sync::Mutex<Option<oneshot::Sender<Answer>>>, answer| {
            let sender = slot
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take();
            // The receiver may have been dropped.
            if let Some(sender) = sender {
                let _ = sender.send(answer);
            }
        };
        let ended = answer.clone();
        let port = move |cx: &mut Context<'_>, message: Message| {
            send(&answer, Ok(message));
            cx.stop(Reason::normal());
        };
        let on_end = move |reason: &Reason| send(&ended, Err(reason.clone()));
        let new = NewPort {
            port: Box::new(port) as Box<dyn Port>,
            on_end: Some(Box::new(on_end)),
        };
        Self {
            node: node.clone(),
            id: node.insert_port(node.names.reply(), new),
        }
    }
}

impl Drop for ReplyPort {
    fn drop(&mut self) {
        self.node
            .shards
            .kill(self.id.port().clone(), Reason::normal());
    }
}
