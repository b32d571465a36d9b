//! `Limits`: what a peer's messages must keep within; `PeerInfo`: what a codec may know of the peer.

use crate::value::MAX_DEPTH;
use crate::{NodeId, Text};

/// What a peer's messages must keep within. Breaking one fails the connection with an error that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message in bytes; 16 MiB by default.
    pub message_size: usize,
    /// How deep arrays, maps and tags may nest, the message's own array included; 512 by default, as in
    /// AnyEvent::MP (protocol.md section 3).
    pub depth: usize,
    /// How many values a message may hold, at all levels together; 1,000,000 by default.
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

/// What a codec may know of the peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's node ID.
    pub node: NodeId,
    /// Program and version as the peer's greeting says, empty if it does not.
    pub provider: Text,
}

impl PeerInfo {
    /// A peer called `node` that runs `provider`.
    pub fn new(node: NodeId, provider: impl Into<Text>) -> Self {
        Self {
            node,
            provider: provider.into(),
        }
    }

    /// Whether this is an AnyEvent::MP node, which sends text as byte strings and numbers as strings at times
    /// (protocol.md section 3).
    pub fn is_perl(&self) -> bool {
        self.provider.starts_with("AE-")
    }
}
