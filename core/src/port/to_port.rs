//! `ToPort`: what names a port in a call: a `PortId`, a `PortRef`, or a text.

use std::borrow::Cow;
use std::fmt::Display;

use super::{PortRef, sealed};
use crate::id::ParseIdError;
use crate::{NodeId, PortId, Text};

/// What names a port to send to, to monitor or to kill: a [`PortId`], a [`PortRef`], a text `node#port`, or a [`NodeId`],
/// which names its node port; all of them by reference as well.
///
/// A text is parsed at each call, and one that is not a port ID names no port: [`try_send`](crate::LocalNode::try_send)
/// and [`call`](crate::LocalNode::call) return [`SendError::NoPortId`](crate::SendError::NoPortId), monitors fire with
/// `no_such_port TEXT PORT`, and `send`, `kill` and timers do nothing but log and count it
/// ([`NodeStats::misaddressed`](crate::NodeStats::misaddressed)). Where many messages go to one port, parse the text once.
///
/// ```
/// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
/// use aemp::PortId;
/// node.send("server#shelf", ("put", "primes", [2, 3, 5]));
/// let (primes,): (Vec<u32>,) = node.call("server#shelf", ("get", "primes")).await?;
///
/// let shelf: PortId = "server#shelf".parse()?;
/// node.send(&shelf, ("put", "evens", [2]));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a port",
    label = "not the ID of a port",
    note = "a port is named by a `&PortId`, a `&PortRef<_>`, or a text such as \"server#shelf\"",
    note = "an inbox, a member of a group and a registration have theirs: `inbox.id()`, `member.port()`"
)]
pub trait ToPort: sealed::Sealed + Display {
    /// The port's ID.
    ///
    /// # Errors
    /// If the text is not a port ID.
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError>;
}

impl ToPort for PortId {
    #[inline]
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError> {
        Ok(Cow::Borrowed(self))
    }
}

impl<M> ToPort for PortRef<M> {
    #[inline]
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError> {
        Ok(Cow::Borrowed(self.id()))
    }
}

impl ToPort for NodeId {
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError> {
        Ok(Cow::Owned(self.clone().into()))
    }
}

impl ToPort for str {
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError> {
        self.parse().map(Cow::Owned)
    }
}

impl ToPort for String {
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError> {
        self.as_str().to_port()
    }
}

impl ToPort for Text {
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError> {
        self.as_str().to_port()
    }
}

impl<T: ToPort + ?Sized> ToPort for &T {
    #[inline]
    fn to_port(&self) -> Result<Cow<'_, PortId>, ParseIdError> {
        (**self).to_port()
    }
}

impl sealed::Sealed for PortId {}
impl<M> sealed::Sealed for PortRef<M> {}
impl sealed::Sealed for NodeId {}
impl sealed::Sealed for str {}
impl sealed::Sealed for String {}
impl sealed::Sealed for Text {}
impl<T: sealed::Sealed + ?Sized> sealed::Sealed for &T {}
