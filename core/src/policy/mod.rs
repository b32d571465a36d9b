//! Policy: what peers may do. A node asks its [`Policy`] before it carries out a peer's request; [`Rules`] are the policy
//! of a node that is given no other.

mod rules;

use std::fmt;

use crate::{ConnectionInfo, Excerpt, PortId, PortName};

pub use rules::{Pattern, Permission, Rule, Rules};

/// Decides what each peer may do. Given to [`NodeBuilder::policy`](crate::NodeBuilder::policy); without one, the node has
/// [`Rules::default`].
///
/// Every peer that is authenticated may send messages to ports whose names it knows, ask for the time, and send messages
/// through this node to itself. The policy decides about all other requests. It is called for each of them, in the task
/// that reads the connection, and must not block. A panic counts as a refusal.
///
/// It does not decide about what ports do. A port that sends to a port ID from a message acts for its sender, and as this
/// node: to the node port of any node such a message is a request of this node's. So check port IDs from peers that may less
/// than this node: their node, and that they are no node port ([`PortName::is_node_port`](crate::PortName::is_node_port)).
///
/// A refused request has no effect. It is logged and counted
/// ([`ConnectionStats::refused`](crate::ConnectionStats::refused)), and the peer is told where the protocol has a place for it: a
/// monitor fires with `refused TEXT`, a port that was not spawned does not exist, a node whose addresses it asks for is
/// unknown, and a call from a node of this project ends with `refused TEXT`.
///
/// A closure is a policy:
///
/// ```
/// use aemp::{LocalNode, policy::Action};
/// let builder = LocalNode::builder().policy(|peer: &aemp::stats::ConnectionInfo, action: &Action<'_>| match action {
///     Action::Connect => !peer.is_anonymous(),
///     Action::Call(function) => function.starts_with("shop::"),
///     Action::Kill(_) | Action::Spawn(_) => peer.peer().as_str().starts_with("admin/"),
///     _ => true,
/// });
/// ```
pub trait Policy: Send + Sync {
    /// Whether `peer` may do `action`. The connection tells who the peer is: its ID, how it has authenticated, its
    /// certificate, its address.
    fn permits(&self, peer: &ConnectionInfo, action: &Action<'_>) -> bool;
}

impl<F> Policy for F
where
    F: Fn(&ConnectionInfo, &Action<'_>) -> bool + Send + Sync,
{
    fn permits(&self, peer: &ConnectionInfo, action: &Action<'_>) -> bool {
        self(peer, action)
    }
}

/// Something that a peer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Be connected to this node. Asked once, when the peer has proved itself and before the connection is up.
    Connect,
    /// Monitor this port (`mon1`).
    Monitor(&'a PortName),
    /// Kill this port (`kil1`).
    Kill(&'a PortName),
    /// Send a message through this node to a third one (`snd`, and answers that go there).
    Relay(&'a PortId),
    /// Call the function that this node has registered under this name, or ask whether it has (`can`).
    Call(&'a str),
    /// Spawn a port by the function that this node offers under this name.
    Spawn(&'a str),
    /// Use the directory through this node: look up nodes, query and watch families, be its slave.
    Directory,
    /// Set and delete entries of this family of the directory. Of the families of the protocol, `'l` is
    /// [`Publish`](Self::Publish), and `'g` [`BecomeGlobal`](Self::BecomeGlobal).
    Write(&'a str),
    /// Publish addresses of nodes, which other nodes, and this one, may dial. Answers to questions of this node are not
    /// asked about.
    Publish,
    /// Be a global node, which answers for the directory.
    BecomeGlobal,
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Monitor(port) => write!(f, "monitor the port {:?}", Excerpt(port)),
            Self::Kill(port) => write!(f, "kill the port {:?}", Excerpt(port)),
            Self::Relay(to) => write!(f, "relay to {:?}", Excerpt(to)),
            Self::Call(name) => write!(f, "call {:?}", Excerpt(name)),
            Self::Spawn(name) => write!(f, "spawn {:?}", Excerpt(name)),
            Self::Directory => f.write_str("use the directory"),
            Self::Write(family) => write!(f, "write the family {:?}", Excerpt(family)),
            Self::Publish => f.write_str("publish addresses"),
            Self::BecomeGlobal => f.write_str("be a global node"),
        }
    }
}
