//! Typed ports: what [`LocalNode`] and [`Context`] do with a `PortRef`.

use serde::de::DeserializeOwned;

use super::{Call, LocalNode};
use crate::PortName;
use crate::error::{NameError, SendError};
use crate::message::IntoMessage;
use crate::port::{Context, Outcome, PortRef, ReplyTo, Typed};

impl LocalNode {
    /// Creates a port that handles messages of one type, most often an enum. Its [`PortRef`] is the only thing that
    /// senders need: the compiler then refuses messages of other types.
    ///
    /// A message of another type, such as a variant that this program does not know yet, kills the port with
    /// `unhandled_message TEXT`, where the text names the element, what was expected and what was found. Do not add a
    /// variant with `#[serde(untagged)]` for the others: serde then looks for every variant with content in the form that
    /// it has inside a message, and the catch-all takes them all.
    ///
    /// ```
    /// # async fn example(node: aemp_core::LocalNode) -> aemp_core::Result<()> {
    /// use aemp_core::{PortRef, Reason, ReplyTo};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// enum Bank { Deposit { amount: u64 }, Balance { reply: ReplyTo<u64> }, Total(ReplyTo<u64>), Close }
    ///
    /// let mut total = 0;
    /// let bank: PortRef<Bank> = node.typed_port(move |cx, message: Bank| match message {
    ///     Bank::Deposit { amount } => total += amount,
    ///     Bank::Balance { reply } | Bank::Total(reply) => reply.send(cx, total),
    ///     Bank::Close => cx.stop(Reason::normal()),
    /// });
    /// node.tell(&bank, Bank::Deposit { amount: 5 });                        // ["Deposit", {"amount": 5}]
    /// let total = node.ask(&bank, |reply| Bank::Balance { reply }).await?;  // ["Balance", {"reply": "node#..."}]
    /// assert_eq!(total, node.ask(&bank, Bank::Total).await?);               // ["Total", "node#..."], as Perl's cal
    /// # Ok(())
    /// # }
    /// ```
    pub fn typed_port<M, R, F>(&self, handler: F) -> PortRef<M>
    where
        M: DeserializeOwned + 'static,
        R: Outcome,
        F: FnMut(&mut Context<'_>, M) -> R + Send + 'static,
    {
        PortRef::unchecked(self.port_of(Typed::new(handler)))
    }

    /// Creates a typed port with the given name; see [`typed_port`](Self::typed_port) and
    /// [`port_named`](Self::port_named).
    ///
    /// # Errors
    /// If a live port of this node has the name, or the name is empty.
    pub fn typed_port_named<M, R, F>(
        &self,
        name: impl Into<PortName>,
        handler: F,
    ) -> Result<PortRef<M>, NameError>
    where
        M: DeserializeOwned + 'static,
        R: Outcome,
        F: FnMut(&mut Context<'_>, M) -> R + Send + 'static,
    {
        self.port_of_named(name, Typed::new(handler))
            .map(PortRef::unchecked)
    }

    /// Sends a message of the port's type, as [`send`](Self::send) does.
    pub fn tell<M: IntoMessage>(&self, to: &PortRef<M>, message: M) {
        self.send(to.id(), message);
    }

    /// Sends a message of the port's type, as [`try_send`](Self::try_send) does.
    ///
    /// # Errors
    /// As for [`try_send`](Self::try_send).
    pub fn try_tell<M: IntoMessage>(&self, to: &PortRef<M>, message: M) -> Result<(), SendError> {
        self.try_send(to.id(), message)
    }

    /// Asks a port: `question` puts the [`ReplyTo`] where the message has it. The answer is of the type that the
    /// `ReplyTo` says. Everything else is as with [`call`](Self::call): the question is sent when the call is awaited.
    ///
    /// ```
    /// # #[derive(serde::Serialize)]
    /// # enum Bank { Balance { reply: aemp_core::ReplyTo<u64> } }
    /// # async fn example(node: aemp_core::LocalNode, bank: aemp_core::PortRef<Bank>) -> aemp_core::Result<()> {
    /// use std::time::Duration;
    /// let balance = node.ask(&bank, |reply| Bank::Balance { reply });
    /// let balance: u64 = balance.within(Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ask<'m, M, R>(
        &self,
        to: &PortRef<M>,
        question: impl FnOnce(ReplyTo<R>) -> M + Send + 'm,
    ) -> Call<'m, M, R>
    where
        M: IntoMessage + 'm,
        R: DeserializeOwned,
    {
        let question = move |reply| question(ReplyTo::new(reply));
        Call::asking(self.inner().clone(), to.id().clone(), Box::new(question))
    }
}

impl crate::port::sealed::Sealed for LocalNode {}

impl crate::port::SendFrom for LocalNode {
    fn send_from(&self, to: &crate::PortId, message: impl IntoMessage) {
        self.send(to, message);
    }
}
