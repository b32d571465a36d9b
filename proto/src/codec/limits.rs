//! `Limits`: limits on the messages of a peer; `PeerInfo`: the peer as codecs see it.

use crate::value::MAX_DEPTH;
use crate::{NodeId, Text};

/// Limits on the messages of a peer. A message over a limit fails the connection with an error that names the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message, in bytes. Default: 16 MiB.
    pub message_size: usize,
    /// The deepest nesting of arrays, maps and tags, including the array of the message itself. Default: 512, as in
    /// AnyEvent::MP ([protocol.md section 3]).
    ///
    /// [protocol.md section 3]: crate::protocol#3-framings
    pub depth: usize,
    /// The most values in a message, on all levels together. Default: 1,000,000.
    pub items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 16 << 20,
            depth: MAX_DEPTH,
            items: 1_000_000,
        }
    }
}

/// The properties of a peer that codecs can depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's node ID.
    pub node: NodeId,
    /// The program and version from the peer's greeting; empty if the greeting has none.
    pub agent: Text,
}

impl PeerInfo {
    /// The peer with this node ID and agent (program and version).
    pub fn new(node: NodeId, agent: impl Into<Text>) -> Self {
        Self {
            node,
            agent: agent.into(),
        }
    }

    /// Whether the peer is an AnyEvent::MP node. Such nodes sometimes send text as byte strings and numbers as strings
    /// ([protocol.md section 3]).
    ///
    /// [protocol.md section 3]: crate::protocol#3-framings
    pub fn is_perl(&self) -> bool {
        self.agent.starts_with("AE-")
    }
}
