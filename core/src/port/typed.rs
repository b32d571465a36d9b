//! `Typed`: the port behind `typed_port`, which parses its messages.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{Context, Outcome, Port};
use crate::{Message, Reason, reason};

/// A port whose handler takes `M`s.
pub(crate) struct Typed<M, F> {
    handler: F,
    messages: PhantomData<fn(M)>,
}

impl<M, F> Typed<M, F> {
    pub(crate) fn new<R>(handler: F) -> Self
    where
        M: DeserializeOwned,
        R: Outcome,
        F: FnMut(&mut Context<'_>, M) -> R + Send,
    {
        Self {
            handler,
            messages: PhantomData,
        }
    }
}

impl<M, F, R> Port for Typed<M, F>
where
    M: DeserializeOwned,
    R: Outcome,
    F: FnMut(&mut Context<'_>, M) -> R + Send,
{
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        match message.parse::<M>() {
            Ok(message) => (self.handler)(cx, message).into_result(),
            Err(error) => Err(reason!["unhandled_message", error.to_string()]),
        }
    }
}
