//! `Output`: what the driver has to do, and the queues in which outputs wait for it.

use std::borrow::Cow;
use std::sync::Arc;

use super::machine::Machine;
use super::watched::Change;
use crate::value::Values;
use crate::{NodeId, Text, Value};

/// What the driver has to do.
#[derive(Debug)]
pub enum Output {
    /// Send a request to the node port of a peer, over this connection only.
    Send {
        /// The peer.
        to: NodeId,
        /// The connection.
        generation: u64,
        /// The request's name and its arguments.
        request: Arc<Values>,
    },
    /// Call [`handle_ready`](Machine::handle_ready) once the queue to this peer is below its high-water mark, or at once if
    /// it is below already. Drop the output when this connection ends.
    AwaitReady {
        /// The peer.
        to: NodeId,
        /// The connection.
        generation: u64,
    },
    /// A query is answered.
    Answer {
        /// The ID that was passed to [`ask`](Machine::ask).
        question: u64,
        /// The family as a map, or its keys or values as an array.
        answer: Value,
    },
    /// The answer to [`find`](Machine::find).
    Found {
        /// The node that was passed to [`find`](Machine::find).
        node: NodeId,
        /// The addresses at which the node listens; empty if it does not listen, `None` if they are unknown.
        addresses: Option<Vec<Text>>,
    },
    /// A watched family has changed.
    Changed {
        /// The family.
        family: Text,
        /// What has changed in it.
        change: Change,
    },
    /// Connect to a global node, unless it is connected.
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
    /// A global node has not sent its entries over this connection. The machine has asked a second time, or the driver has
    /// to end the connection.
    Silent {
        /// The global node.
        node: NodeId,
        /// The connection.
        generation: u64,
        /// Whether the driver has to end the connection.
        end: bool,
    },

    /// Keep the connection to this node open while it is idle, or stop doing so.
    Keep {
        /// The node.
        node: NodeId,
        /// Whether an idle connection is kept open.
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
    /// The peer that the output is about; `None` for outputs to programs on this node.
    fn peer(&self) -> Option<&NodeId> {
        match self {
            Self::Send { to: node, .. }
            | Self::AwaitReady { to: node, .. }
            | Self::Connect { node, .. }
            | Self::Rejected { node, .. }
            | Self::Silent { node, .. }
            | Self::Keep { node, .. } => Some(node),
            Self::Answer { .. } | Self::Found { .. } | Self::Changed { .. } => None,
        }
    }
}

impl Machine {
    /// The next output, in order. Outputs for peers may stay in the queue while other methods are called.
    pub fn poll_output(&mut self) -> Option<Output> {
        let for_programs = self.poll_output_for_programs();
        for_programs.or_else(|| self.to_peers.pop_front())
    }

    /// The next output for programs on this node.
    pub fn poll_output_for_programs(&mut self) -> Option<Output> {
        self.to_programs.pop_front()
    }

    /// The next output for `peer`.
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

    /// Sends a request to each of these peers that is connected.
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

    /// Requests a call of [`handle_ready`](Machine::handle_ready) for `to`.
    pub(super) fn await_ready(&mut self, to: &NodeId) {
        if let Some(generation) = self.generation(to) {
            let to = to.clone();
            self.push(Output::AwaitReady { to, generation });
        }
    }
}
