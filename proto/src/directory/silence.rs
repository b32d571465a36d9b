//! Silent global nodes: nodes that do not send their entries.
//!
//! An AnyEvent::MP node that loses all its connections at once, because it was stopped for longer than the timeout,
//! sends `g_global` on the next connections but never `g_set` (protocol.md section 6). A second `g_global` from this
//! node makes it send `g_set`; if that does not help, a new connection may.
//!
//! A slow connection or a busy node must not count as silent. So this node sends a probe, `g_find` for its own address.
//! Requests are answered in order: if the answer arrives before `g_set`, then `g_set` was not sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::machine::Machine;
use super::output::Output;
use super::request;
use crate::NodeId;

/// The time that a node has for `g_set`, after both nodes have sent `g_global`, until it is probed.
const SET_TIMEOUT: Duration = Duration::from_secs(3);

/// Nodes in `Silences::ended`.
const MAX_ENDED: usize = 1000;

/// The global nodes whose `g_set` is expected.
#[derive(Default)]
pub(super) struct Silences {
    open: BTreeMap<NodeId, Silence>,
    /// Nodes whose connection was ended for silence. It is not ended again until they have sent `g_set`.
    ended: BTreeSet<NodeId>,
}

enum Silence {
    /// The node has time until this moment.
    Until(Duration),
    /// The node was probed. `again`: `g_global` was sent a second time before that.
    Probed { again: bool },
}

impl Silences {
    pub(super) fn due(&self) -> Option<Duration> {
        let dues = self.open.values().filter_map(|silence| match silence {
            Silence::Until(due) => Some(*due),
            Silence::Probed { .. } => None,
        });
        dues.min()
    }

    /// The connection to `node` has ended.
    pub(super) fn remove(&mut self, node: &NodeId) {
        self.open.remove(node);
    }

    /// `node` has sent `g_set`.
    pub(super) fn set_received(&mut self, node: &NodeId) {
        self.open.remove(node);
        self.ended.remove(node);
    }
}

impl Machine {
    /// A request of `node` is malformed. It may have been its `g_set`, so the node does not count as silent.
    pub fn handle_malformed(&mut self, node: &NodeId) {
        self.silences.open.remove(node);
    }

    /// `node` is expected to send `g_set`. Only AnyEvent::MP nodes are watched: nodes of this project always send it.
    pub(super) fn expect_set(&mut self, now: Duration, node: &NodeId) {
        if self.is_perl(node) {
            let until = Silence::Until(now + SET_TIMEOUT);
            self.silences.open.insert(node.clone(), until);
        }
    }

    /// Probes the nodes whose time is over.
    pub(super) fn probe_silent(&mut self, now: Duration) {
        let mut due = Vec::new();
        for (node, silence) in &mut self.silences.open {
            if matches!(silence, Silence::Until(until) if *until <= now) {
                *silence = Silence::Probed { again: false };
                due.push(node.clone());
            }
        }
        let question = request::find(&self.own);
        for node in due {
            self.send(&node, question.clone());
        }
    }

    /// Handles a `g_found` about `node`. Returns false if it does not answer a probe.
    pub(super) fn handle_probe_answer(&mut self, now: Duration, from: &NodeId, node: &str) -> bool {
        let Some(generation) = self.generation(from) else {
            return false;
        };
        let again = match self.silences.open.get_mut(from) {
            Some(Silence::Probed { again }) if node == self.own.as_str() => {
                std::mem::replace(again, true)
            }
            _ => return false,
        };
        let silent = |end| Output::Silent {
            node: from.clone(),
            generation,
            end,
        };
        if !again {
            self.send(from, request::global());
            self.send(from, request::find(&self.own));
            // The peer drops our entries when it gets `g_global`.
            self.send_database(now, from);
            self.push(silent(false));
            return true;
        }
        self.silences.open.remove(from);
        if self.silences.ended.insert(from.clone()) {
            if self.silences.ended.len() > MAX_ENDED {
                self.silences.ended.pop_first();
            }
            self.push(silent(true));
        }
        true
    }
}
