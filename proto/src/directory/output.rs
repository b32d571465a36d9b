//! `Output`: what is to be done, and how the machine says it.

use std::borrow::Cow;
use std::sync::Arc;

use super::machine::Machine;
use super::watched::Change;
use crate::value::Values;
use crate::{NodeId, Text, Value};

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the node port of this peer, over this connection and no other.
    Send {
        /// The peer.
        to: NodeId,
        /// The connection.
        generation: u64,
        /// The request's word and its arguments.
        request: Arc<Values>,
    },
    /// Something was sent to this peer: call [`handle_ready`](Machine::handle_ready) when little waits for it, at once if
    /// that is so now. Not after this connection.
    Pace {
        /// The peer.
        to: NodeId,
        /// The connection.
        generation: u64,
    },
    /// A question is answered.
    Answer {
        /// The ID that [`ask`](Machine::ask) was given.
        question: u64,
        /// A map of the family, or an array of its keys or values.
        answer: Value,
    },
    /// Where a node listens, if anybody knows; nowhere, if the list is empty.
    Found {
        /// The node that [`find`](Machine::find) was asked for.
        node: NodeId,
        /// Its addresses.
        addresses: Option<Vec<Text>>,
    },
    /// A watched family has changed.
    Changed {
        /// The family.
        family: Text,
        /// What has changed in it.
        change: Change,
    },
    /// Connect to a global node, if it is not connected.
    Connect {
        /// The global node.
        node: NodeId,
        /// Its addresses.
        addresses: Vec<Text>,
    },
    /// A request was rejected, as a whole or in part, and [`handle_request`](Machine::handle_request) did not return the
    /// error. Log the reason and count the request.
    Rejected {
        /// The peer that sent the request.
        node: NodeId,
        /// The level of the log line.
        level: Level,
        /// Why the request is rejected.
        why: Cow<'static, str>,
    },
    /// A global node does not tell what it holds over this connection. It was asked again, or that is to be ended.
    Silent {
        /// The global node.
        node: NodeId,
        /// The connection.
        generation: u64,
        /// Whether the connection is to be ended.
        end: bool,
    },

    /// The connection to this node is kept even when it is idle, or no longer.
    Keep {
        /// The node.
        node: NodeId,
        /// Whether the connection is kept.
        keep: bool,
    },
}

/// The level at which [`Output::Rejected`] is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The peer's entries or requests are lost.
    Warn,
    /// Nothing is lost: AnyEvent::MP nodes send such requests.
    Debug,
}

impl Output {
    /// The peer that it is for, unless it is for programs here.
    fn peer(&self) -> Option<&NodeId> {
        match self {
            Self::Send { to: node, .. }
            | Self::Pace { to: node, .. }
            | Self::Connect { node, .. }
            | Self::Rejected { node, .. }
            | Self::Silent { node, .. }
            | Self::Keep { node, .. } => Some(node),
            Self::Answer { .. } | Self::Found { .. } | Self::Changed { .. } => None,
        }
    }
}

impl Machine {
    /// What is to be done next, in order. What is for peers need not all be done before the next call of the machine.
    pub fn poll_output(&mut self) -> Option<Output> {
        let for_programs = self.poll_output_for_programs();
        for_programs.or_else(|| self.to_peers.pop_front())
    }

    /// The same, but only of what is for programs here.
    pub fn poll_output_for_programs(&mut self) -> Option<Output> {
        self.to_programs.pop_front()
    }

    /// The same, but only of what is for `peer`.
    pub fn poll_output_for(&mut self, peer: &NodeId) -> Option<Output> {
        let mut outputs = self.to_peers.iter();
        let at = outputs.position(|output| output.peer() == Some(peer))?;
        self.to_peers.remove(at)
    }

    /// Whether there are outputs.
    pub fn has_outputs(&self) -> bool {
        !self.to_programs.is_empty() || !self.to_peers.is_empty()
    }

    /// Whether there are outputs for `peer`.
    pub fn has_outputs_for(&self, peer: &NodeId) -> bool {
        let mut outputs = self.to_peers.iter();
        outputs.any(|output| output.peer() == Some(peer))
    }

    pub(super) fn push(&mut self, output: Output) {
        match output.peer() {
            None => self.to_programs.push_back(output),
            Some(_) => self.to_peers.push_back(output),
        }
    }

    pub(super) fn reject(
        &mut self,
        node: &NodeId,
        level: Level,
        why: impl Into<Cow<'static, str>>,
    ) {
        let (node, why) = (node.clone(), why.into());
        self.push(Output::Rejected { node, level, why });
    }

    pub(super) fn keep(&mut self, node: &NodeId, keep: bool) {
        let node = node.clone();
        self.push(Output::Keep { node, keep });
    }

    pub(super) fn send(&mut self, to: &NodeId, request: Values) {
        self.send_to_all([to.clone()], request);
    }

    /// Sends this over the connections that are up now.
    pub(super) fn send_to_all(&mut self, to: impl IntoIterator<Item = NodeId>, request: Values) {
        let request = Arc::new(request);
        for to in to {
            if let Some(generation) = self.generation(&to) {
                let request = request.clone();
                self.push(Output::Send {
                    to,
                    generation,
                    request,
                });
            }
        }
    }

    /// Asks to be told when there is room for more at `to`.
    pub(super) fn pace(&mut self, to: &NodeId) {
        if let Some(generation) = self.generation(to) {
            let to = to.clone();
            self.push(Output::Pace { to, generation });
        }
    }
}
