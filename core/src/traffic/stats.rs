//! What connections have carried so far.

use std::time::Duration;

use super::LinkInfo;

/// How much went over a connection in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Whole messages, those of the node protocol included.
    pub messages: u64,
    /// Bytes, those of the opening not included.
    pub bytes: u64,
}

/// A connection at work.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkStats {
    /// Peer, codecs, generation and the like.
    pub link: LinkInfo,
    /// What was encoded for the peer. It may still be in the queue or on its way.
    pub sent: Traffic,
    /// What was read.
    pub received: Traffic,
    /// Bytes that wait to be written.
    pub queued: usize,
    /// For how long nothing was read.
    pub last_read: Duration,
    /// How long the peer took to answer when it was asked for a sign of life; none as long as that was not needed.
    pub round_trip: Option<Duration>,
    /// How many of the peer's ports this node monitors.
    pub monitors: usize,
    /// How many monitors the peer holds on ports of this node.
    pub watches: usize,
    /// Requests of the peer that meant nothing here: news of ports that nobody monitors, monitors taken back that were
    /// not there, functions that are not offered. A few are normal, since news cross on the way.
    pub odd: u64,
    /// What the peer asked for and this node did not do: questions for which there was no room while the peer did not
    /// take the answers, and messages to be passed on that the other connection could not carry or take.
    pub refused: u64,
}
