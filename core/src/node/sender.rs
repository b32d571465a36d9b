//! `Sender`: who sends a request to the node port.

use std::fmt;
use std::sync::Arc;

use crate::peer::Peer;
use crate::{ConnectionInfo, PortId};

/// The sender of a request.
#[derive(Clone, Copy)]
pub(super) enum Sender<'a> {
    /// A peer, over this connection.
    Peer(&'a Arc<Peer>, &'a ConnectionInfo),
    /// A port of this node.
    Local,
}

impl Sender<'_> {
    /// Whether `port` is the sender's: on the peer's node. For a port of this node, which sends in its own name, any is.
    pub(super) fn owns(self, port: &PortId) -> bool {
        match self {
            Self::Peer(peer, _) => peer.id == *port.node(),
            Self::Local => true,
        }
    }

    /// Whether it is a peer that was let in without certificate and secret.
    pub(super) fn is_anonymous(self) -> bool {
        matches!(self, Self::Peer(_, link) if link.is_anonymous())
    }

    /// Counts a request that this node does not understand.
    pub(super) fn count_odd(self) {
        if let Self::Peer(peer, link) = self {
            peer.count_odd(link.generation());
        }
    }

    /// Whether a line caused by this sender may be logged.
    pub(super) fn admits(self) -> bool {
        match self {
            Self::Peer(peer, _) => peer.admits(),
            Self::Local => true,
        }
    }
}

impl fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer, _) => f.write_str(peer.id.as_str()),
            Self::Local => f.write_str("this node"),
        }
    }
}
