//! `Routes`: a port that selects a handler by the tag of the message.

use serde::de::DeserializeOwned;

use super::{Context, Outcome, Port};
use crate::guard;
use crate::watchdog::set_tag;
use crate::{Message, Reason, Text};

/// A new port without handlers.
///
/// ```
/// use aemp_core::{PortId, routes};
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
        at_start: None,
    }
}

type Handler = Box<dyn FnMut(&mut Context<'_>, Message) -> Result<(), Reason> + Send>;

type Start = Box<dyn FnOnce(&mut Context<'_>) -> Result<(), Reason> + Send>;

/// A port that calls the handler for a message's tag, with the other elements of the message as arguments.
///
/// Arguments of the wrong type kill the port with a reason that names the argument and the error. A tag without a handler
/// kills it with `unhandled_message TEXT`, unless [`otherwise`](Self::otherwise) is set.
#[must_use = "routes are a port that has to be given to a node"]
pub struct Routes {
    /// There are few handlers, so a list is faster than a map.
    handlers: Vec<(Text, Handler)>,
    otherwise: Option<Handler>,
    at_start: Option<Start>,
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
        let tag = tag.into();
        let run: Handler = Box::new(move |cx, message| {
            let arguments = message.parse_args()?;
            handler(cx, arguments).into_result()
        });
        self.handlers.retain(|(t, _)| *t != tag);
        self.handlers.push((tag, run));
        self
    }

    /// Handles every message without a handler for its tag.
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

    /// Runs `start` once, before the first message; see [`Port::start`].
    pub fn at_start<R, F>(mut self, start: F) -> Self
    where
        R: Outcome,
        F: FnOnce(&mut Context<'_>) -> R + Send + 'static,
    {
        self.at_start = Some(Box::new(move |cx| start(cx).into_result()));
        self
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        guard::dispose(self.at_start.take());
        guard::dispose(self.otherwise.take());
        guard::dispose_all(self.handlers.drain(..));
    }
}

impl Port for Routes {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        self.at_start.take().map_or(Ok(()), |start| start(cx))
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let tag = message.tag();
        let tag = tag.as_deref();
        let route = self
            .handlers
            .iter_mut()
            .find(|(t, _)| tag == Some(t.as_str()));
        let handler = route
            .map(|(_, handler)| handler)
            .or(self.otherwise.as_mut());
        match handler {
            Some(handler) => {
                set_tag(tag.unwrap_or_default());
                handler(cx, message)
            }
            None => Err(crate::reason!["unhandled_message", format!("{message:?}")]),
        }
    }
}
