//! `PortRef`, a port ID that knows the type of the port's messages, and `ReplyTo`, one for a single answer.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::PortId;
use crate::message::IntoMessage;

/// The ID of a port whose messages are `M`s, so that the compiler refuses every other message.
///
/// [`LocalNode::typed_port`](crate::LocalNode::typed_port) creates such a port. In a message a `PortRef` is what a
/// [`PortId`] is: a plain text. So the type is a promise of its sender, and is not checked: a port that is sent a message
/// of another type treats it as unmatched. One that names a node alone is refused: what is sent there is a request to the
/// node, and its sender would have this node make it.
///
/// ```
/// use aemp::{PortId, PortRef};
/// #[derive(serde::Serialize)]
/// enum Lamp { On, Off }
/// let id: PortId = "house#lamp".parse()?;
/// let lamp: PortRef<Lamp> = PortRef::unchecked(id.clone());
/// assert_eq!(lamp.id(), &id);
/// # Ok::<(), aemp::Error>(())
/// ```
#[doc(alias = "actor_ref")]
pub struct PortRef<M> {
    id: PortId,
    messages: PhantomData<fn(M)>,
}

impl<M> PortRef<M> {
    /// The port with this ID, whose messages are said to be `M`s. Nobody checks that: if they are not, the port gets
    /// messages that it does not handle.
    pub fn unchecked(id: PortId) -> Self {
        Self {
            id,
            messages: PhantomData,
        }
    }

    /// The ID, for what takes any port: monitors, groups, kills, and messages of other types.
    pub fn id(&self) -> &PortId {
        &self.id
    }
}

impl<M> From<PortRef<M>> for PortId {
    fn from(port: PortRef<M>) -> Self {
        port.id
    }
}

// Written out: a derive would ask the same of `M`.
impl<M> Clone for PortRef<M> {
    fn clone(&self) -> Self {
        Self::unchecked(self.id.clone())
    }
}

impl<M> PartialEq for PortRef<M> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<M> Eq for PortRef<M> {}

impl<M> Hash for PortRef<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl<M> PartialOrd for PortRef<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for PortRef<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl<M> fmt::Debug for PortRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortRef({})", self.id)
    }
}

impl<M> fmt::Display for PortRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<M> Serialize for PortRef<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl<'de, M> Deserialize<'de> for PortRef<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = PortId::deserialize(deserializer)?;
        if id.port().is_node_port() {
            let text = format!("\"{id}\" names a node and no port of it");
            return Err(de::Error::custom(text));
        }
        Ok(Self::unchecked(id))
    }
}

/// Where the answer of an [`ask`](crate::LocalNode::ask) goes: a port that takes one message, an `R`, and drops later ones.
///
/// Stands in the message where its type has it, as a plain text. A variant with the `ReplyTo` as its last field is what
/// `cal` of AnyEvent::MP sends, so such ports answer Perl, and Perl answers such questions.
///
/// A port that drops it answers nothing, and its asker waits until the port ends or its time is over. To answer with an
/// error, let `R` be a `Result`.
///
/// ```
/// use aemp::{Context, ReplyTo};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// enum Bank { Balance { of: String, reply: ReplyTo<Result<u64, String>> } }
/// fn receive(cx: &mut Context<'_>, Bank::Balance { of, reply }: Bank) {
///     reply.send(cx, Err(format!("{of} has no account")));
/// }
/// ```
#[must_use = "the asker waits for an answer"]
pub struct ReplyTo<R>(PortRef<R>);

impl<R> ReplyTo<R> {
    pub(crate) fn new(id: PortId) -> Self {
        Self(PortRef::unchecked(id))
    }

    /// The port that the answer goes to.
    pub fn port(&self) -> &PortRef<R> {
        &self.0
    }

    /// Sends the answer, from a handler (`cx`) or a task (its node). An answer that the connection cannot carry is logged,
    /// and an `ask` or `call` of this library fails by it; any other port is not told.
    pub fn send(self, from: &impl SendFrom, answer: R)
    where
        R: IntoMessage + Send + 'static,
    {
        from.tell_from(&self.0, answer);
    }
}

impl<R> Serialize for ReplyTo<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, R> Deserialize<'de> for ReplyTo<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PortRef::deserialize(deserializer).map(Self)
    }
}

impl<R> PartialEq for ReplyTo<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<R> Eq for ReplyTo<R> {}

impl<R> fmt::Debug for ReplyTo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo({})", self.0)
    }
}

/// Where a message can be sent from: a [`LocalNode`](crate::LocalNode), or a [`Context`](crate::Context).
pub trait SendFrom: sealed::Sealed {
    /// Sends a message; see [`LocalNode::tell`](crate::LocalNode::tell).
    #[doc(hidden)]
    fn tell_from<M: IntoMessage + Send + 'static>(&self, to: &PortRef<M>, message: M);
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
