//! What is done about a global node that does not tell what it holds.
//!
//! An AnyEvent::MP node whose connections have all ended at once, since it was stopped for longer than the others wait,
//! says on the next ones that it is global, and never sends its `g_set` (protocol.md section 6). Saying `g_global` once
//! more lets it send one; where that does not help, a new connection may. A connection is ended for this once, and not again
//! before its node has told what it holds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::machine::{Machine, Output};
use super::request;
use crate::NodeId;

/// How long a `g_set` may take after both have said `g_global`.
const FIRST: Duration = Duration::from_secs(3);

/// And after this node has said it again. Longer, as a large one may be on its way.
const SECOND: Duration = Duration::from_secs(7);

/// Nodes whose connections were ended are remembered, up to so many.
const MOST: usize = 1000;

/// A peer that is still to tell.
pub(super) struct Silence {
    until: Duration,
    /// It was asked a second time.
    asked: bool,
}

/// Whose connection was ended for its silence, and has not told since.
#[derive(Default)]
pub(super) struct Ended(BTreeSet<NodeId>);

impl Machine {
    /// `node` is about to tell what it holds. Ours do, sooner or later, as there is room.
    pub(super) fn expect_set(&mut self, now: Duration, node: &NodeId) {
        if let Some(peer) = self.peers.get_mut(node).filter(|peer| peer.perl) {
            let until = now + FIRST;
            let asked = false;
            peer.silence = Some(Silence { until, asked });
        }
    }

    /// It has.
    pub(super) fn told_set(&mut self, node: &NodeId) {
        self.ended.0.remove(node);
        if let Some(peer) = self.peers.get_mut(node) {
            peer.silence = None;
        }
    }

    /// When [`break_silence`](Self::break_silence) has something to do.
    pub(super) fn silence_due(&self) -> Option<Duration> {
        let silences = self.peers.values().filter_map(|peer| peer.silence.as_ref());
        silences.map(|silence| silence.until).min()
    }

    /// Asks those who have been silent for too long once more, or has their connections ended.
    pub(super) fn break_silence(&mut self, now: Duration) {
        let is_due = |silence: &Silence| silence.until <= now;
        let peers = self.peers.iter();
        let due = peers.filter(|(_, peer)| peer.silence.as_ref().is_some_and(is_due));
        let due: Vec<NodeId> = due.map(|(node, _)| node.clone()).collect();
        for node in due {
            let Some(peer) = self.peers.get_mut(&node) else {
                continue;
            };
            let asked = peer.silence.as_ref().is_some_and(|silence| silence.asked);
            if !asked {
                peer.silence = Some(Silence {
                    until: now + SECOND,
                    asked: true,
                });
                self.send(&node, request::global());
                // It forgets what it knew of us.
                self.send_database(now, &node);
                self.push(Output::Silent { node, end: false });
                continue;
            }
            peer.silence = None;
            if self.ended.0.len() < MOST && self.ended.0.insert(node.clone()) {
                self.push(Output::Silent { node, end: true });
            }
        }
    }
}
