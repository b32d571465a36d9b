//! Settling: a node that has become global waits for the entries of the other global nodes before it answers queries
//! and watches, for a limited time. So watchers, and slaves that have lost another master, do not see entries
//! disappear.

use std::collections::BTreeSet;
use std::time::Duration;

use super::machine::{Machine, Settling};
use super::request::Request;
use crate::NodeId;

/// The longest time for which answers are deferred.
const MAX_SETTLING: Duration = Duration::from_secs(5);

/// Deferred requests of one peer. Further requests are answered at once from the entries known so far.
const MAX_DEFERRED: usize = 1000;

impl Machine {
    /// This node has become global: it waits for its seeds, its former master, and the connected global nodes.
    pub(super) fn start_settling(&mut self, now: Duration) {
        let peers = self.peers.iter();
        let telling = peers.filter(|(_, peer)| peer.global || peer.seed);
        self.settling = Some(Settling {
            until: now + MAX_SETTLING.min(self.settings.monitor_timeout),
            waiting: telling.map(|(node, _)| node.clone()).collect(),
        });
    }

    /// `node` will send its entries.
    pub(super) fn wait_for(&mut self, node: &NodeId) {
        if let Some(settling) = &mut self.settling {
            settling.waiting.insert(node.clone());
        }
    }

    /// `node` has sent its entries, or is disconnected.
    pub(super) fn stop_waiting_for(&mut self, now: Duration, node: &NodeId) {
        if let Some(settling) = &mut self.settling {
            settling.waiting.remove(node);
            self.end_settling_if_done(now);
        }
    }

    /// Ends settling if no node is waited for or the time is over, and answers all that was deferred.
    pub(super) fn end_settling_if_done(&mut self, now: Duration) {
        let Some(settling) = &self.settling else {
            return;
        };
        // A seed may be connected although its `handle_up` is still to come.
        let seeds = &self.seeds;
        let unreported = |node: &NodeId| !self.peers.contains_key(node);
        let untried = seeds.untried || seeds.connected.iter().any(unreported);
        let waits = untried || !settling.waiting.is_empty();
        if waits && now < settling.until {
            return;
        }
        self.settling = None;
        self.answer_all(now);
        let held = std::mem::take(&mut self.deferred);
        let asking: BTreeSet<NodeId> = held.iter().map(|(node, ..)| node.clone()).collect();
        for (node, generation, request) in held {
            if let Some(peer) = self.peers.get_mut(&node)
                && peer.generation == generation
            {
                peer.backlog.push_request(request);
            }
        }
        asking.iter().for_each(|node| self.send_next(now, node));
    }

    /// Defers a query or watch during settling, or behind deferred requests of the same peer. Returns all other
    /// requests.
    pub(super) fn defer(&mut self, from: &NodeId, request: Request) -> Option<Request> {
        let is_question = matches!(
            request,
            Request::Query(..) | Request::Find(_) | Request::Watch(_) | Request::Unwatch(_)
        );
        let peer = self.peers.get_mut(from)?;
        let waits = self.settling.is_some() || peer.deferred > 0;
        if !is_question || !waits || peer.deferred >= MAX_DEFERRED {
            return Some(request);
        }
        peer.deferred += 1;
        match self.settling {
            Some(_) => self.deferred.push((from.clone(), peer.generation, request)),
            None => peer.backlog.push_request(request),
        }
        None
    }
}
