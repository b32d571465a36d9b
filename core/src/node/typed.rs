//! Typed ports: what [`LocalNode`] and [`Context`] do with a `PortRef`.

use serde::de::DeserializeOwned;

use super::{Call, LocalNode};
use crate::PortName;
use crate::error::{NameError, SendError};
use crate::message::IntoMessage;
use crate::port::{Context, Outcome, PortRef, ReplyTo, Typed, TypedPort, typed};

impl LocalNode {
    /// Creates a port that handles messages of one type, most often an enum. Its [`PortRef`] is the only thing that
    /// senders need: the compiler then refuses messages of other types.
    ///
    /// A message of another type, such as a variant that this program does not know yet, kills the port with
    /// `unhandled_message TEXT`, where the text names the element, what was expected and what was found. A unit variant with
    /// `#[serde(other)]` stands for every variant that the program does not know, with any content. Do not give such a
    /// variant `#[serde(untagged)]`: serde then looks for every variant with content in the form that it has inside a
    /// message, and the catch-all takes them all.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
    /// use aemp::{PortRef, Reason, ReplyTo};
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
        M: DeserializeOwned + Send + 'static,
        R: Outcome,
        F: FnMut(&mut Context<'_>, M) -> R + Send + 'static,
    {
        self.typed_port_of(typed(handler))
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
        M: DeserializeOwned + Send + 'static,
        R: Outcome,
        F: FnMut(&mut Context<'_>, M) -> R + Send + 'static,
    {
        self.typed_port_of_named(name, typed(handler))
    }

    /// Creates a port of a type that implements [`TypedPort`], or of a closure with options ([`typed`]).
    pub fn typed_port_of<P: TypedPort + 'static>(&self, port: P) -> PortRef<P::Message> {
        PortRef::unchecked(self.inner().add_port(Typed(port)))
    }

    /// Creates such a port with the given name; see [`typed_port_of`](Self::typed_port_of) and
    /// [`port_named`](Self::port_named).
    ///
    /// # Errors
    /// If a live port of this node has the name, or the name is empty.
    pub fn typed_port_of_named<P: TypedPort + 'static>(
        &self,
        name: impl Into<PortName>,
        port: P,
    ) -> Result<PortRef<P::Message>, NameError> {
        let port = Box::new(Typed(port));
        let id = self.inner().add_named_port(name.into(), port, None);
        id.map(PortRef::unchecked)
    }

    /// Sends a message of the port's type, as [`send`](Self::send) does. To a port of this node the message moves as it is:
    /// nothing is serialized, and fields that serde skips stay what they are.
    ///
    /// A port of this node that is not of that type gets the message serialized. If that fails, it is logged, as by `send`.
    pub fn tell<M>(&self, to: &PortRef<M>, message: M)
    where
        M: IntoMessage + Send + 'static,
    {
        self.inner().tell(to.id(), message);
    }

    /// Sends a message of the port's type to a port of another node as [`try_send`](Self::try_send) does, and to a port of
    /// this node as [`tell`](Self::tell) does.
    ///
    /// # Errors
    /// As for [`try_send`](Self::try_send).
    pub fn try_tell<M>(&self, to: &PortRef<M>, message: M) -> Result<(), SendError>
    where
        M: IntoMessage + Send + 'static,
    {
        self.inner().try_tell(to.id(), message)
    }

    /// Asks a port: `question` puts the [`ReplyTo`] where the message has it. The answer is of the type that the
    /// `ReplyTo` says. Everything else is as with [`call`](Self::call): the question is sent when the call is awaited.
    ///
    /// ```
    /// # #[derive(serde::Serialize)]
    /// # enum Bank { Balance { reply: aemp::ReplyTo<u64> } }
    /// # async fn example(node: aemp::LocalNode, bank: aemp::PortRef<Bank>) -> aemp::Result<()> {
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
    ) -> Call<'m, R>
    where
        M: IntoMessage + Send + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        let question = move |reply| question(ReplyTo::new(reply));
        Call::asking(self.inner().clone(), to.id().clone(), question)
    }
}

impl crate::port::sealed::Sealed for LocalNode {}

impl crate::port::SendFrom for LocalNode {
    fn tell_from<M: IntoMessage + Send + 'static>(&self, to: &PortRef<M>, message: M) {
        self.tell(to, message);
    }
}
