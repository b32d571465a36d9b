//! The statistics of connections.

use std::time::Duration;

use super::ConnectionInfo;

/// The traffic of a connection in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Complete messages, including those of the node protocol.
    pub messages: u64,
    /// Bytes, without those of the opening.
    pub bytes: u64,
}

/// The statistics of a connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[doc(alias = "LinkStats")]
pub struct ConnectionStats {
    /// Peer, codecs, generation and other properties.
    pub info: ConnectionInfo,
    /// Traffic encoded for the peer. Part of it may still be in the queue or in transit.
    pub sent: Traffic,
    /// Traffic read from the peer.
    pub received: Traffic,
    /// Bytes in the queue to the peer.
    pub queued: usize,
    /// Time since the last read.
    pub last_read: Duration,
    /// Round-trip time of the last ping; `None` if no ping was needed so far.
    #[doc(alias = "round_trip")]
    pub rtt: Option<Duration>,
    /// Monitored ports of the peer.
    pub monitors: usize,
    /// Monitors of the peer on ports of this node.
    pub watches: usize,
    /// Requests of the peer without a meaning here: deaths of ports that are not monitored, removals of monitors that
    /// do not exist, calls and spawns of functions that are not offered, requests that cannot be read. A few are normal,
    /// since notifications can cross in transit.
    pub unknown_requests: u64,
    /// Requests of the peer that were refused: requests that the [policy](crate::policy) does not permit, requests that
    /// could not be deferred while the peer did not read its answers, relayed messages that the other connection could
    /// not carry or had no room for, and requests to kill the node port.
    pub refused: u64,
}
