//! What is done about a global node that does not tell what it holds.
//!
//! An AnyEvent::MP node whose connections have all ended at once, since it was stopped for longer than the others wait,
//! says on the next ones that it is global, and never sends its `g_set` (protocol.md section 6). Saying `g_global` once
//! more lets it send one; where that does not help, a new connection may.
//!
//! A slow connection or a busy node is no silence. So the node is asked something (`g_find`, for our own address): it does
//! one thing after the other, and a `g_set` that it has sent would have come before the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::machine::Machine;
use super::output::Output;
use super::request;
use crate::NodeId;

/// How long a `g_set` may take after both have said `g_global` before the node is asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// Nodes whose connections were ended are remembered, so many of them.
const MOST: usize = 1000;

/// The global nodes that are still to tell.
#[derive(Default)]
pub(super) struct Silences {
    open: BTreeMap<NodeId, Silence>,
    /// Whose connection was ended for it: not again before they have told.
    ended: BTreeSet<NodeId>,
}

enum Silence {
    /// Until then it may take its time.
    Until(Duration),
    /// It was asked; `again` after `g_global` was said a second time.
    Asked { again: bool },
}

impl Silences {
    pub(super) fn due(&self) -> Option<Duration> {
        let dues = self.open.values().filter_map(|silence| match silence {
            Silence::Until(due) => Some(*due),
            Silence::Asked { .. } => None,
        });
        dues.min()
    }

    /// The connection to `node` is lost.
    pub(super) fn lost(&mut self, node: &NodeId) {
        self.open.remove(node);
    }

    /// `node` has told what it holds.
    pub(super) fn told(&mut self, node: &NodeId) {
        self.open.remove(node);
        self.ended.remove(node);
    }
}

impl Machine {
    /// Something that `node` sent could not be read: it may have been what it holds.
    pub fn unread(&mut self, node: &NodeId) {
        self.silences.open.remove(node);
    }

    /// `node` is about to tell what it holds. Ours do, sooner or later, as there is room.
    pub(super) fn expect_set(&mut self, now: Duration, node: &NodeId) {
        if self.is_perl(node) {
            let until = Silence::Until(now + PATIENCE);
            self.silences.open.insert(node.clone(), until);
        }
    }

    /// Asks those who have not told for a while.
    pub(super) fn ask_silent(&mut self, now: Duration) {
        let mut due = Vec::new();
        for (node, silence) in &mut self.silences.open {
            if matches!(silence, Silence::Until(until) if *until <= now) {
                *silence = Silence::Asked { again: false };
                due.push(node.clone());
            }
        }
        let question = request::find(&self.own);
        for node in due {
            self.send(&node, question.clone());
        }
    }

    /// Whether it is the answer of a silent node that says that `node` listens somewhere.
    pub(super) fn break_silence(&mut self, now: Duration, from: &NodeId, node: &str) -> bool {
        let Some(generation) = self.generation(from) else {
            return false;
        };
        let again = match self.silences.open.get_mut(from) {
            Some(Silence::Asked { again }) if node == self.own.as_str() => {
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
            // It forgets what it knew of us.
            self.send_database(now, from);
            self.push(silent(false));
            return true;
        }
        self.silences.open.remove(from);
        if self.silences.ended.insert(from.clone()) {
            if self.silences.ended.len() > MOST {
                self.silences.ended.pop_first();
            }
            self.push(silent(true));
        }
        true
    }
}
