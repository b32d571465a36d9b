//! `Routes`: a port that selects a handler by the tag of the message.

use serde::de::DeserializeOwned;
use std::fmt;

use super::{Arguments, Context, Mismatch, Outcome, Port, ReplyTo, Unhandled};
use crate::guard;
use crate::message::{IntoMessage, Message, ParseError};
use crate::watchdog::set_tag;
use crate::{Reason, Text};

/// A new port without handlers.
///
/// ```
/// use aemp::{PortId, routes};
/// let mut total = 0;
/// let counter = routes()
///     .on("add", move |cx, (n, reply): (i64, PortId)| {
///         total += n;
///         cx.send(&reply, ("total", total));
///     })
///     .otherwise(|cx, message| println!("what is {message:?}?"));
/// ```
pub fn routes() -> Routes {
    Routes {
        handlers: Vec::new(),
        otherwise: None,
        on_mismatch: None,
        on_start: None,
    }
}

/// The outer error is that the arguments do not fit: the handler was not called.
type Route =
    Box<dyn FnMut(&mut Context<'_>, Message) -> Result<Result<(), Reason>, ParseError> + Send>;

type Otherwise = Box<dyn FnMut(&mut Context<'_>, Message) -> Result<(), Reason> + Send>;

type OnMismatch = Box<dyn FnMut(&mut Context<'_>, Mismatch) -> Result<(), Reason> + Send>;

type Start = Box<dyn FnOnce(&mut Context<'_>) -> Result<(), Reason> + Send>;

/// A port that calls the handler for a message's tag, with the other elements of the message as arguments. A message that
/// does not fit kills the port: arguments of the wrong type with a reason that names the argument and the error, and a tag
/// without a handler with `unhandled_message TEXT`. To keep the port alive, a server that many use has
/// [`on_mismatch`](Self::on_mismatch), and [`otherwise`](Self::otherwise) takes unknown tags.
///
/// ```
/// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
/// use aemp::routes;
/// let mut total = 0;
/// let counter = node.port_of(
///     routes()
///         .on("reset", |_, ()| println!("a new day"))
///         .answer("add", move |_, (n,): (i64,)| {
///             total += n;
///             total
///         })
///         .on_mismatch(|cx, mismatch| mismatch.answer(cx)),
/// );
/// let total: i64 = node.call(&counter, ("add", 41)).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "routes are a port that has to be given to a node"]
pub struct Routes {
    /// There are few handlers, so a list is faster than a map.
    handlers: Vec<(Text, Route)>,
    otherwise: Option<Otherwise>,
    on_mismatch: Option<OnMismatch>,
    on_start: Option<Start>,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = self.handlers.iter().map(|(tag, _)| tag);
        f.debug_list().entries(tags).finish()
    }
}

impl Routes {
    /// Handles messages whose first element is the text `tag`. The elements after it are the arguments `A`: a tuple of as
    /// many fields, [`Spread`](crate::message::Spread) for any number, or any other type for the only argument. A later
    /// handler for the same tag replaces the earlier one.
    #[doc(alias = "rcv")]
    pub fn on<A, R, F>(mut self, tag: impl Into<Text>, mut handler: F) -> Self
    where
        A: DeserializeOwned,
        R: Outcome,
        F: FnMut(&mut Context<'_>, A) -> R + Send + 'static,
    {
        let run = move |cx: &mut Context<'_>, message: Message| {
            let arguments = message.parse_args()?;
            Ok(handler(cx, arguments).into_result())
        };
        self.add(tag.into(), Box::new(run));
        self
    }

    /// Handles messages whose first element is the text `tag` and whose last one is the ID of a reply port, as
    /// [`call`](crate::LocalNode::call) and Perl's `cal` send them: what the handler returns is the answer. The arguments
    /// `A` are a tuple of the elements in between.
    ///
    /// The answer is any type that can be sent, a number or a tuple, for example. To answer with an error, return a
    /// `Result`: `["Err", "no paper"]` is read as one where the call asks for a `Result`. A handler that answers later, or
    /// elsewhere, takes the reply port as an argument: [`on`](Self::on) with a [`ReplyTo`].
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
    /// use aemp::routes;
    /// let divider = node.port_of(routes().answer("divide", |_, (a, b): (u32, u32)| {
    ///     a.checked_div(b).ok_or("divided by zero")
    /// }));
    /// let quotient: Result<u32, String> = node.call(&divider, ("divide", 1, 0)).await?;
    /// assert_eq!(quotient, Err("divided by zero".into()));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cal")]
    pub fn answer<A, R, F>(mut self, tag: impl Into<Text>, mut handler: F) -> Self
    where
        A: Arguments,
        R: IntoMessage + Send + 'static,
        F: FnMut(&mut Context<'_>, A) -> R + Send + 'static,
    {
        let run = move |cx: &mut Context<'_>, message: Message| {
            let (arguments, reply): (_, ReplyTo<R>) = A::with_reply(message)?;
            let answer = handler(cx, arguments);
            reply.send(cx, answer);
            Ok(Ok(()))
        };
        self.add(tag.into(), Box::new(run));
        self
    }

    fn mismatched(
        &mut self,
        cx: &mut Context<'_>,
        message: Message,
        error: Option<ParseError>,
    ) -> Result<(), Reason> {
        let mismatch = Mismatch { message, error };
        match &mut self.on_mismatch {
            Some(handler) => handler(cx, mismatch),
            None => Err(mismatch.reason()),
        }
    }

    fn add(&mut self, tag: Text, route: Route) {
        self.handlers.retain(|(t, _)| *t != tag);
        self.handlers.push((tag, route));
    }

    /// Handles every message without a handler for its tag; those whose arguments do not fit go to
    /// [`on_mismatch`](Self::on_mismatch).
    #[doc(alias = "fallback")]
    pub fn otherwise<R, F>(mut self, mut handler: F) -> Self
    where
        R: Outcome,
        F: FnMut(&mut Context<'_>, Message) -> R + Send + 'static,
    {
        self.otherwise = Some(Box::new(move |cx, message| {
            handler(cx, message).into_result()
        }));
        self
    }

    /// Handles what does not fit: arguments of the wrong types, and tags without a handler, unless
    /// [`otherwise`](Self::otherwise) takes them. Without it such a message kills the port, as in AnyEvent::MP.
    ///
    /// `|cx, mismatch| mismatch.answer(cx)` tells the sender and keeps the port alive: one user's mistake does not end a
    /// port that others use. A copy of each message is kept while its arguments are read.
    ///
    /// ```
    /// use aemp::{Reason, routes};
    /// let server = routes().answer("add", |_, (a, b): (i64, i64)| a + b).on_mismatch(|cx, mismatch| {
    ///     println!("to {}: {mismatch}", cx.id());
    ///     mismatch.answer(cx);
    /// });
    /// ```
    pub fn on_mismatch<R, F>(mut self, mut handler: F) -> Self
    where
        R: Outcome,
        F: FnMut(&mut Context<'_>, Mismatch) -> R + Send + 'static,
    {
        self.on_mismatch = Some(Box::new(move |cx, mismatch| {
            handler(cx, mismatch).into_result()
        }));
        self
    }

    /// What becomes of a message that does not fit, where that is not for a handler to say: it kills the port, or is counted;
    /// see [`Unhandled`]. As [`on_mismatch`](Self::on_mismatch) with [`Context::unhandled`].
    ///
    /// ```
    /// use aemp::{Unhandled, routes};
    /// let lamp = routes().on("on", |_, ()| println!("on")).unhandled(Unhandled::Log);
    /// ```
    pub fn unhandled(mut self, unhandled: Unhandled) -> Self {
        self.on_mismatch = match unhandled {
            Unhandled::Kill => None,
            _ => Some(Box::new(move |cx, mismatch| {
                cx.unhandled(unhandled, mismatch)
            })),
        };
        self
    }

    /// Runs `start` once, before the first message; see [`Port::start`].
    #[doc(alias = "at_start")]
    pub fn on_start<R, F>(mut self, start: F) -> Self
    where
        R: Outcome,
        F: FnOnce(&mut Context<'_>) -> R + Send + 'static,
    {
        self.on_start = Some(Box::new(move |cx| start(cx).into_result()));
        self
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        guard::dispose(self.on_start.take());
        guard::dispose(self.otherwise.take());
        guard::dispose(self.on_mismatch.take());
        guard::dispose_all(self.handlers.drain(..));
    }
}

impl Port for Routes {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        self.on_start.take().map_or(Ok(()), |start| start(cx))
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let tag = message.tag();
        let tag = tag.as_deref();
        let route = self
            .handlers
            .iter_mut()
            .find(|(t, _)| tag == Some(t.as_str()));
        let Some((_, handler)) = route else {
            if let Some(handler) = &mut self.otherwise {
                set_tag(tag.unwrap_or_default());
                return handler(cx, message);
            }
            return self.mismatched(cx, message, None);
        };
        set_tag(tag.unwrap_or_default());
        if self.on_mismatch.is_none() {
            return handler(cx, message)?;
        }
        match handler(cx, message.clone()) {
            Ok(outcome) => outcome,
            Err(error) => self.mismatched(cx, message, Some(error)),
        }
    }
}
