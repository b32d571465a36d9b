//! `TypedPort`: a port whose messages are of one type.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{Context, Outcome, Pool, ShardPort, Unhandled};
use crate::{Message, ParseError, Reason};

/// A handler of messages of one type, most often an enum. It is to [`typed_port`](crate::LocalNode::typed_port) what
/// [`Port`](crate::Port) is to [`port`](crate::LocalNode::port): closures are the short form, and a type is for state
/// with a beginning or an end. [`LocalNode::typed_port_of`](crate::LocalNode::typed_port_of) starts it.
///
/// ```
/// # async fn example(node: aemp::LocalNode) {
/// use aemp::{Context, PortRef, Reason, ReplyTo, TypedPort};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// enum Request { Add(u64), Total(ReplyTo<u64>) }
///
/// struct Counter { total: u64 }
///
/// impl TypedPort for Counter {
///     type Message = Request;
///
///     fn receive(&mut self, cx: &mut Context<'_>, request: Request) -> Result<(), Reason> {
///         match request {
///             Request::Add(n) => self.total += n,
///             Request::Total(reply) => reply.send(cx, self.total),
///         }
///         Ok(())
///     }
///
///     fn stop(&mut self, _: &mut Context<'_>, reason: &Reason) {
///         println!("{} when it ended: {reason}", self.total);
///     }
/// }
///
/// let counter: PortRef<Request> = node.typed_port_of(Counter { total: 0 });
/// # }
/// ```
pub trait TypedPort: Send {
    /// The messages. A sender on the same node moves them to the port as they are; others are parsed.
    type Message: DeserializeOwned + Send + 'static;

    /// Called once, before the first message; see [`Port::start`](crate::Port::start).
    ///
    /// # Errors
    /// The reason with which this port is killed.
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        let _ = cx;
        Ok(())
    }

    /// Handles one message.
    ///
    /// # Errors
    /// The reason with which this port is killed.
    fn receive(&mut self, cx: &mut Context<'_>, message: Self::Message) -> Result<(), Reason>;

    /// Called for a message of another type. The error names the element, what was expected and what was found. By default
    /// the port is killed ([`Unhandled::Kill`]).
    ///
    /// # Errors
    /// The reason with which this port is killed.
    fn unhandled(&mut self, cx: &mut Context<'_>, error: ParseError) -> Result<(), Reason> {
        cx.unhandled(Unhandled::Kill, error)
    }

    /// Called once, when the port has died and before its monitors fire; see [`Port::stop`](crate::Port::stop).
    fn stop(&mut self, cx: &mut Context<'_>, reason: &Reason) {
        let _ = (cx, reason);
    }
}

/// A typed port as its shard runs it.
pub(crate) struct Typed<P>(pub(crate) P);

impl<P: TypedPort> ShardPort for Typed<P> {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        self.0.start(cx)
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        match message.parse() {
            Ok(message) => self.0.receive(cx, message),
            Err(error) => self.0.unhandled(cx, error),
        }
    }

    #[inline]
    fn receive_moved(
        &mut self,
        cx: &mut Context<'_>,
        pool: &mut dyn Pool,
    ) -> Option<Result<(), Reason>> {
        let message = pool.of::<P::Message>()?.pop_front()?;
        Some(self.0.receive(cx, message))
    }

    fn stop(&mut self, cx: &mut Context<'_>, reason: &Reason) {
        self.0.stop(cx, reason);
    }
}

/// A [`TypedPort`] that is a closure; made by [`typed`].
#[must_use = "a typed port has to be given to a node"]
pub struct TypedFn<M, F> {
    handler: F,
    unhandled: Unhandled,
    messages: PhantomData<fn(M)>,
}

impl<M, F> fmt::Debug for TypedFn<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedFn")
            .field("unhandled", &self.unhandled)
            .finish_non_exhaustive()
    }
}

/// A typed port of a closure, for what a closure alone cannot say.
///
/// ```
/// # async fn example(node: aemp::LocalNode) {
/// use aemp::{Unhandled, typed};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// enum Lamp { On, Off }
///
/// // Newer senders may know variants that this program does not.
/// let lamp = typed(|_, lamp: Lamp| println!("{}", matches!(lamp, Lamp::On))).unhandled(Unhandled::Log);
/// let lamp = node.typed_port_of(lamp);
/// node.tell(&lamp, Lamp::On);
/// # }
/// ```
pub fn typed<M, R, F>(handler: F) -> TypedFn<M, F>
where
    M: DeserializeOwned + Send + 'static,
    R: Outcome,
    F: FnMut(&mut Context<'_>, M) -> R + Send,
{
    TypedFn {
        handler,
        unhandled: Unhandled::Kill,
        messages: PhantomData,
    }
}

impl<M, F> TypedFn<M, F> {
    /// Sets what becomes of a message of another type; by default the port is killed.
    pub fn unhandled(mut self, unhandled: Unhandled) -> Self {
        self.unhandled = unhandled;
        self
    }
}

impl<M, F, R> TypedPort for TypedFn<M, F>
where
    M: DeserializeOwned + Send + 'static,
    R: Outcome,
    F: FnMut(&mut Context<'_>, M) -> R + Send,
{
    type Message = M;

    #[inline]
    fn receive(&mut self, cx: &mut Context<'_>, message: M) -> Result<(), Reason> {
        (self.handler)(cx, message).into_result()
    }

    fn unhandled(&mut self, cx: &mut Context<'_>, error: ParseError) -> Result<(), Reason> {
        cx.unhandled(self.unhandled, error)
    }
}
