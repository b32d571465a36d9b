//! `Call`: a request message with one answer.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::Inner;
use super::permit::is_refusal;
use crate::error::{CallError, SendError};
use crate::message::IntoMessage;
use crate::port::{Context, Pool, ShardPort};
use crate::shard::new_port;
use crate::watchdog::with_deferred_wake;
use crate::{Message, PortId, Reason};

/// A call that starts when it is awaited; made by [`LocalNode::call`](crate::LocalNode::call)
/// and [`LocalNode::ask`](crate::LocalNode::ask).
///
/// # Cancel safety
/// Dropping the future cancels the call: a later answer is dropped. The message may have been sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aemp::Result<()> {
/// use std::time::Duration;
/// use aemp::{CallError, routes};
///
/// let node = aemp::node().id("shop").start().await?;
/// let prices = node.port_of(routes().answer("price", |_, (article,): (String,)| article.len() * 100));
///
/// let price: u64 = node.call(&prices, ("price", "pear")).await?;
/// assert_eq!(price, 400);
///
/// // A dead port, and an answer of another type, are errors at once.
/// let limit = Duration::from_secs(5);
/// let wrong = node.call::<bool>(&prices, ("price", "pear")).within(limit).await;
/// assert!(matches!(wrong, Err(CallError::Answer { .. })));
/// # Ok(())
/// # }
/// ```
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'m, T> {
    request: Request<'m>,
    run: Run<'m, T>,
}

impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("to", &self.request.to)
            .field("limit", &self.request.limit)
            .finish_non_exhaustive()
    }
}

/// What is known of a call before its message is sent.
struct Request<'m> {
    node: Arc<Inner>,
    to: Result<PortId, SendError>,
    limit: Option<Duration>,
    /// A guard that is kept until the call ends.
    guard: Option<Box<dyn Guard + 'm>>,
}

type Run<'m, T> = Box<dyn FnOnce(Request<'m>) -> Answering<'m, T> + Send + 'm>;
type Answering<'m, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'm>>;

impl<'m, T: DeserializeOwned + 'm> Call<'m, T> {
    fn with(node: Arc<Inner>, to: Result<PortId, SendError>, run: Run<'m, T>) -> Self {
        let request = Request {
            limit: node.config.call_timeout,
            node,
            to,
            guard: None,
        };
        Self { request, run }
    }

    /// A call whose message has the reply port appended.
    pub(super) fn new<M>(node: Arc<Inner>, to: Result<PortId, SendError>, message: M) -> Self
    where
        M: IntoMessage + Send + 'm,
    {
        let run = |request: Request<'m>| {
            let send = |node: &Arc<Inner>, to: &PortId, reply: &PortId| {
                node.try_send(to, message, Some(reply))
            };
            let answer = request.run(send, |_| None::<Infallible>);
            let parsed = async {
                match answer.await? {
                    (_, Answer::Moved(never)) => match never {},
                    (to, Answer::Message(message)) => parse(to, message),
                }
            };
            Box::pin(parsed) as Answering<'m, T>
        };
        Self::with(node, to, Box::new(run))
    }

    /// A call whose message is made of the reply port. In this node, the message and the answer move as they are.
    pub(super) fn asking<M>(
        node: Arc<Inner>,
        to: PortId,
        question: impl FnOnce(PortId) -> M + Send + 'm,
    ) -> Self
    where
        M: IntoMessage + Send + 'static,
        T: Send + 'static,
    {
        let run = |request: Request<'m>| {
            let send = |node: &Arc<Inner>, to: &PortId, reply: &PortId| {
                node.try_tell(to, question(reply.clone()))
            };
            let answer = request.run(send, |pool| pool.of::<T>()?.pop_front());
            let parsed = async {
                match answer.await? {
                    (_, Answer::Moved(answer)) => Ok(answer),
                    (to, Answer::Message(message)) => parse(to, message),
                }
            };
            Box::pin(parsed) as Answering<'m, T>
        };
        Self::with(node, Ok(to), Box::new(run))
    }

    /// Fails after `limit` with [`CallError::TimedOut`], in place of
    /// [`Config::call_timeout`](crate::Config::call_timeout). Whether the port has carried out the call is not known then.
    ///
    /// A call monitors the port, with a limit or without one, and fails at once when the port is dead: to another node
    /// this costs two short requests ([protocol.md section 5]), where Perl's `cal` with a time-out has none. A peer whose
    /// policy permits to send to its ports and not to monitor them can be called with a limit alone. Beside that a limit costs
    /// a timer of tokio.
    ///
    /// [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol
    #[doc(alias = "timeout")]
    pub fn within(mut self, limit: Duration) -> Self {
        self.request.limit = Some(limit);
        self
    }

    /// Waits for as long as the port lives, whatever [`Config::call_timeout`](crate::Config::call_timeout) says.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode, renderer: aemp::PortId) -> aemp::Result<()> {
    /// let (film,): (String,) = node.call(&renderer, ("render", "intro")).unlimited().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn unlimited(mut self) -> Self {
        self.request.limit = None;
        self
    }

    /// Keeps `guard` until the call ends.
    pub(super) fn with_guard(mut self, guard: Box<dyn Guard + 'm>) -> Self {
        self.request.guard = Some(guard);
        self
    }
}

fn parse<T: DeserializeOwned>(to: PortId, answer: Message) -> Result<T, CallError> {
    answer
        .parse()
        .map_err(|error| CallError::Answer { to, error })
}

impl Request<'_> {
    /// Sends the message and waits for the answer. `take` removes it from a pool of its type. Returns the port called too.
    async fn run<A: Send + 'static>(
        self,
        send: impl FnOnce(&Arc<Inner>, &PortId, &PortId) -> Result<(), SendError>,
        take: Take<A>,
    ) -> Result<(PortId, Answer<A>), CallError> {
        let Self {
            node,
            to,
            limit,
            guard: _guard,
        } = self;
        let to = to?;
        let (answer, answered) = oneshot::channel();
        let reply = ReplyPort::new(&node, answer, take);
        let _watch = match limit {
            // A port of that node may be called by those who must not monitor it: the limit ends the call then.
            Some(_) if to.node() != &node.id && !to.port().is_node_port() => {
                let connection = node.link(to.node(), &reply.id, true);
                let (shards, port) = (node.shards.clone(), reply.id.port().clone());
                let called = to.clone();
                let gone = move |reason: Reason| {
                    if !is_refusal(&reason, &called) {
                        shards.kill(port, reason);
                    }
                };
                let port = node.monitor(&to, gone, None);
                [Some(connection), Some(port)]
            }
            _ => [Some(node.link(&to, &reply.id, true)), None],
        };
        send(&node, &to, &reply.id)?;
        let answered = async {
            with_deferred_wake(answered)
                .await
                .unwrap_or_else(|_| Err(node.life.stopped_reason()))
        };
        let outcome = match limit {
            Some(limit) => {
                let answered = node.within(limit, answered).await;
                answered.ok_or_else(|| CallError::TimedOut {
                    to: to.clone(),
                    limit,
                })?
            }
            None => answered.await,
        };
        match outcome {
            Ok(answer) => Ok((to, answer)),
            Err(reason) => Err(CallError::Gone { to, reason }),
        }
    }
}

impl<'m, T> IntoFuture for Call<'m, T> {
    type Output = Result<T, CallError>;
    type IntoFuture = Answering<'m, T>;

    fn into_future(self) -> Self::IntoFuture {
        (self.run)(self.request)
    }
}

/// Any value with a destructor.
pub(super) trait Guard: Send {}
impl<T: Send> Guard for T {}

/// The answer of a call.
enum Answer<A> {
    Message(Message),
    /// From a typed port of this node.
    Moved(A),
}

/// Removes an answer from a pool of its type.
type Take<A> = fn(&mut dyn Pool) -> Option<A>;

/// The port that receives the answer. It dies with the first message, with the port to which it is linked, or with the
/// call.
struct ReplyPort {
    node: Arc<Inner>,
    id: PortId,
}

/// The handler of a [`ReplyPort`].
struct ReplyHandler<A> {
    /// Taken by the first message.
    answer: Option<oneshot::Sender<Result<Answer<A>, Reason>>>,
    take: Take<A>,
}

impl<A> ReplyHandler<A> {
    fn resolve(&mut self, answer: Result<Answer<A>, Reason>) {
        // The receiver may have been dropped.
        let _ = self.answer.take().map(|sender| sender.send(answer));
    }
}

impl<A: Send> ShardPort for ReplyHandler<A> {
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        self.resolve(Ok(Answer::Message(message)));
        cx.stop(Reason::normal());
        Ok(())
    }

    fn receive_moved(
        &mut self,
        cx: &mut Context<'_>,
        pool: &mut dyn Pool,
    ) -> Option<Result<(), Reason>> {
        let answer = (self.take)(pool)?;
        self.resolve(Ok(Answer::Moved(answer)));
        cx.stop(Reason::normal());
        Some(Ok(()))
    }

    fn stop(&mut self, _: &mut Context<'_>, reason: &Reason) {
        self.resolve(Err(reason.clone()));
    }
}

impl ReplyPort {
    fn new<A: Send + 'static>(
        node: &Arc<Inner>,
        answer: oneshot::Sender<Result<Answer<A>, Reason>>,
        take: Take<A>,
    ) -> Self {
        let answer = Some(answer);
        let handler = new_port(ReplyHandler { answer, take });
        Self {
            node: node.clone(),
            id: node.insert_port(node.names.reply(), handler),
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
