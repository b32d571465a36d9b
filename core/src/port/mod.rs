//! Ports: cheap destinations of messages inside a node.

mod context;
mod inbox;
mod routes;

pub use context::Context;
pub(crate) use context::Owned;
pub use inbox::{Inbox, InboxBounds};
pub use routes::{Routes, routes};

use crate::{Message, Reason};

/// Something that receives the messages of a port, one after the other, on the node's shards.
///
/// It must not block: what waits belongs into [`Context::spawn`]. An error or a panic kills the port with it as
/// the reason, and nothing else. Closures `FnMut(&mut Context, Message)` are ports, returning nothing or a
/// `Result`; so is what [`routes`] makes.
///
/// ```
/// use aemp_core::{Context, Message, Port, Reason};
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
pub trait Port: Send {
    /// The port has come to life: called once, before its first message, to start timers, monitor others or tell
    /// them its ID ([`Context::id`]). Does nothing by default.
    ///
    /// ```
    /// use aemp_core::{Context, Message, Port, PortId, Reason};
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
    /// The reason to kill this port with. Messages that follow find no port, and monitors that are set later fire with
    /// `no_such_port`, as when an init function fails in AnyEvent::MP (protocol.md section 5).
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        let _ = cx;
        Ok(())
    }

    /// Handles one message.
    ///
    /// # Errors
    /// The reason to kill this port with.
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason>;

    /// How many messages it has received and not worked off, for [`LocalNode::ports`](crate::LocalNode::ports) to show;
    /// none unless it keeps them, as an inbox does.
    fn queued(&self) -> usize {
        0
    }
}

impl<F, R> Port for F
where
    F: FnMut(&mut Context<'_>, Message) -> R + Send,
    R: Outcome,
{
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        self(cx, message).into_result()
    }
}

impl Port for Box<dyn Port> {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        (**self).start(cx)
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        (**self).receive(cx, message)
    }

    fn queued(&self) -> usize {
        (**self).queued()
    }
}

/// What a handler may return: nothing, or a `Result` whose error becomes the reason of the port's death.
pub trait Outcome {
    /// The same as a `Result`.
    fn into_result(self) -> Result<(), Reason>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Reason> {
        Ok(())
    }
}

impl<E: Into<Reason>> Outcome for Result<(), E> {
    #[inline(always)]
    fn into_result(self) -> Result<(), Reason> {
        match self {
            Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
