//! Ports: lightweight destinations of messages inside a node.

mod answer;
mod context;
mod inbox;
mod mismatch;
mod pool;
mod port_ref;
mod routes;
#[cfg(feature = "schema")]
mod schema;
mod shard_port;
mod tell;
mod to_port;
mod typed;
mod unhandled;

pub use answer::Arguments;
pub use context::Context;
pub(crate) use context::Owned;
pub(crate) use inbox::Inboxes;
pub use inbox::{Inbox, InboxConfig, Overflow};
pub use mismatch::Mismatch;
pub(crate) use pool::Pool;
pub(crate) use port_ref::sealed;
pub use port_ref::{PortRef, ReplyTo, SendFrom};
pub use routes::{Routes, routes};
pub(crate) use shard_port::ShardPort;
pub use tell::Tell;
pub use to_port::ToPort;
pub(crate) use typed::Typed;
pub use typed::{TypedFn, TypedPort, typed};
pub use unhandled::Unhandled;

use crate::{IntoReason, Message, Reason};

/// A handler of messages. The node's shards call it for one message after the other.
///
/// It must not block: run work that waits with [`Context::spawn`]. An error or a panic kills the port with that
/// reason, and affects nothing else. [`routes`] are a port. Closures `FnMut(&mut Context, Message)` that return nothing or
/// a `Result` are ports too; [`LocalNode::port`](crate::LocalNode::port) takes them without the types of their arguments.
///
/// ```
/// use aemp::{Context, Message, Port, Reason};
///
/// struct Counter(i64);
///
/// impl Port for Counter {
///     fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
///         let (_, n): (String, i64) = message.parse()?;
///         self.0 += n;
///         Ok(())
///     }
/// }
/// ```
#[doc(alias = "rcv")]
#[doc(alias = "actor")]
#[doc(alias = "mailbox")]
#[doc(alias = "process")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a port",
    label = "does not implement `Port`",
    note = "a port is `routes()`, a type that implements `Port`, or a closure `|cx: &mut Context, message: Message| ..` that is \
            `Send` and returns nothing or a `Result<(), E>`",
    note = "a handler is not `async`: run what waits by `cx.spawn(async move {{ .. }})`"
)]
pub trait Port: Send {
    /// Called once, before the first message, for example to start timers, monitor other ports or send them this port's
    /// ID ([`Context::id`]). Does nothing by default.
    ///
    /// ```
    /// use aemp::{Context, Message, Port, PortId, Reason};
    ///
    /// struct Worker { manager: PortId }
    ///
    /// impl Port for Worker {
    ///     fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
    ///         cx.send(&self.manager, ("ready", cx.id()));
    ///         Ok(())
    ///     }
    ///
    ///     fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
    ///         cx.send(&self.manager, message);
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The reason with which this port is killed. Later messages are dropped, and later monitors fire with
    /// `no_such_port`, as when an init function fails in AnyEvent::MP ([protocol.md section 5]).
    ///
    /// [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        let _ = cx;
        Ok(())
    }

    /// Handles one message.
    ///
    /// # Errors
    /// The reason with which this port is killed.
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason>;

    /// Called once, when the port has died and before its monitors fire, with the reason of its death. Does nothing by
    /// default. It runs however the port ends: killed, by an error or a panic of its handler, or with its node, whose
    /// ports no longer receive anything then. Tasks, timers and monitors that it starts with `cx` end at once.
    ///
    /// ```
    /// use aemp::{Context, Message, Port, PortId, Reason};
    ///
    /// struct Worker { manager: PortId, done: u64 }
    ///
    /// impl Port for Worker {
    ///     fn receive(&mut self, _: &mut Context<'_>, _: Message) -> Result<(), Reason> {
    ///         self.done += 1;
    ///         Ok(())
    ///     }
    ///
    ///     fn stop(&mut self, cx: &mut Context<'_>, _: &Reason) {
    ///         cx.send(&self.manager, ("done", self.done));
    ///     }
    /// }
    /// ```
    fn stop(&mut self, cx: &mut Context<'_>, reason: &Reason) {
        let _ = (cx, reason);
    }
}

#[diagnostic::do_not_recommend]
impl<F, R> Port for F
where
    F: FnMut(&mut Context<'_>, Message) -> R + Send,
    R: Outcome,
{
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        self(cx, message).into_result()
    }
}

/// The closures that are ports: they take the port's [`Context`] and a message.
///
/// A trait of its own, since by its bound the compiler knows the types of a closure's arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a closure that takes a `&mut Context` and a `Message`",
    label = "not a closure `|cx, message| ..`",
    note = "give `routes()` and other types that implement `Port` to `port_of` (with a name: `port_of_named`)"
)]
pub trait Handler<R>: FnMut(&mut Context<'_>, Message) -> R {}

impl<F, R> Handler<R> for F where F: FnMut(&mut Context<'_>, Message) -> R {}

impl Port for Box<dyn Port> {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        (**self).start(cx)
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        (**self).receive(cx, message)
    }

    fn stop(&mut self, cx: &mut Context<'_>, reason: &Reason) {
        (**self).stop(cx, reason);
    }
}

/// The return type of a handler, and of a future of [`Context::spawn`]: nothing, or a `Result` whose error becomes the
/// reason of the port's death ([`IntoReason`]): a [`Reason`], any error, `anyhow::Error`, `Box<dyn Error + Send + Sync>`,
/// or a text.
///
/// ```
/// # fn example(node: aemp::LocalNode) {
/// use std::error::Error;
/// use aemp::routes;
///
/// let book = routes()
///     .on("open", |_, (path,): (String,)| -> Result<(), Box<dyn Error + Send + Sync>> {
///         let text = std::fs::read_to_string(path)?;          // "die", "No such file or directory (os error 2)"
///         let pages: u32 = text.trim().parse()?;              // "die", "invalid digit found in string"
///         if pages == 0 { Err("an empty book")? }             // "die", "an empty book"
///         Ok(())
///     });
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "this returns `{Self}`",
    note = "return nothing, or a `Result<(), E>` where `E` is a `Reason`, an error, `Box<dyn Error + Send + Sync>`, `anyhow::Error`, or a text",
    note = "a handler whose value is the answer of a call is given to `Routes::answer`",
    note = "a handler is not `async`: run what waits by `cx.spawn(async move {{ .. }})`"
)]
pub trait Outcome: outcome::Outcome {}

#[diagnostic::do_not_recommend]
impl<T: outcome::Outcome> Outcome for T {}

pub(crate) mod outcome {
    use super::Reason;

    pub trait Outcome {
        /// Nothing, or the reason of the port's death.
        fn into_result(self) -> Result<(), Reason>;
    }
}

impl outcome::Outcome for () {
    fn into_result(self) -> Result<(), Reason> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: IntoReason> outcome::Outcome for Result<(), E> {
    #[inline(always)]
    fn into_result(self) -> Result<(), Reason> {
        self.map_err(E::into_reason)
    }
}
