//! A node that becomes global does not know yet what other global nodes hold. Until they have told, or a time has passed,
//! it answers nobody, so that who watches here or has lost another master sees no gap.

use std::collections::BTreeSet;
use std::time::Duration;

use super::machine::{Machine, Settling};
use super::request::Request;
use crate::NodeId;

/// The longest that answers are held back.
const LONGEST: Duration = Duration::from_secs(5);

/// So many requests of a peer are held back at most; more are answered with what is known.
const MOST_HELD: usize = 1000;

impl Machine {
    /// This node has become global: its seeds and former master, and the global nodes that it is connected to, will tell.
    pub(super) fn begin_to_settle(&mut self, now: Duration) {
        let peers = self.peers.iter();
        let telling = peers.filter(|(_, peer)| peer.global || peer.seed);
        self.settling = Some(Settling {
            until: now + LONGEST.min(self.settings.monitor_timeout),
            waiting: telling.map(|(node, _)| node.clone()).collect(),
        });
    }

    /// `node` will tell what it holds.
    pub(super) fn wait_for(&mut self, node: &NodeId) {
        if let Some(settling) = &mut self.settling {
            settling.waiting.insert(node.clone());
        }
    }

    /// It has, or is gone.
    pub(super) fn settled_with(&mut self, now: Duration, node: &NodeId) {
        if let Some(settling) = &mut self.settling {
            settling.waiting.remove(node);
            self.settle(now);
        }
    }

    /// Answers what is open, if there is nothing more to wait for.
    pub(super) fn settle(&mut self, now: Duration) {
        let Some(settling) = &self.settling else {
            return;
        };
        // A seed that is connected and has not been told of yet will be in a moment.
        let seeds = &self.seeds;
        let untold = |node: &NodeId| !self.peers.contains_key(node);
        let untried = seeds.untried || seeds.connected.iter().any(untold);
        let waits = untried || !settling.waiting.is_empty();
        if waits && now < settling.until {
            return;
        }
        self.settling = None;
        self.answer_all(now);
        let held = std::mem::take(&mut self.held);
        let asking: BTreeSet<NodeId> = held.iter().map(|(node, ..)| node.clone()).collect();
        for (node, generation, request) in held {
            if let Some(peer) = self.peers.get_mut(&node)
                && peer.generation == generation
            {
                peer.sending.answer(request);
            }
        }
        asking.iter().for_each(|node| self.send_next(now, node));
    }

    /// Keeps a question for later, if it cannot be answered yet, or earlier ones of the same peer wait.
    pub(super) fn hold_back(&mut self, from: &NodeId, request: Request) -> Option<Request> {
        let is_question = matches!(
            request,
            Request::Query(..) | Request::Find(_) | Request::Watch(_) | Request::Unwatch(_)
        );
        let peer = self.peers.get_mut(from)?;
        let waits = self.settling.is_some() || peer.held > 0;
        if !is_question || !waits || peer.held >= MOST_HELD {
            return Some(request);
        }
        peer.held += 1;
        match self.settling {
            Some(_) => self.held.push((from.clone(), peer.generation, request)),
            None => peer.sending.answer(request),
        }
        None
    }
}
