//! The node protocol's words as they go out (protocol.md section 5).

use std::sync::Arc;

use aemp_proto::abridged;

use super::waiting::{Wait, Waited};
use super::{Generation, Link, Peer, State};
use crate::message::Values;
use crate::{NodeId, PortId, PortName, Reason, Value};

pub(super) fn mon1(port: &PortName) -> Values {
    request("mon1", port, &Reason::normal())
}

pub(super) fn mon0(port: &PortName) -> Values {
    request("mon0", port, &Reason::normal())
}

pub(super) fn kil0(port: &PortName, reason: &Reason) -> Values {
    request("kil0", port, reason)
}

pub(super) fn kil1(port: &PortName, reason: &Reason) -> Values {
    request("kil1", port, reason)
}

/// The name of the port that a message is about: a request to monitor or kill one, or a message to it.
pub(super) fn about<'v>(port: &'v PortName, values: &'v [Value]) -> &'v str {
    match values {
        [word, name, ..] if port.is_node_port() => match (word.as_str(), name.as_str()) {
            (Some("mon1" | "mon0" | "kil1"), Some(name)) => name,
            _ => port.as_str(),
        },
        _ => port.as_str(),
    }
}

/// Asks the peer for the time, to be answered to our node port as [`ALIVE`] with the number of the question.
fn time(us: &NodeId, number: u64) -> Values {
    let us = PortId::from(us.clone()).to_string();
    let words = [Value::from("time"), us.into(), ALIVE.into(), number.into()];
    words.into_iter().collect()
}

/// The request by which the answers to our questions come back. Not of AEMP: nobody but this node knows the numbers.
pub(crate) const ALIVE: &str = "aemp::alive";

fn request(word: &'static str, port: &PortName, reason: &Reason) -> Values {
    [Value::from(word), Value::from(port.as_str())]
        .into_iter()
        .chain(abridged(reason).values().iter().cloned())
        .collect()
}

impl Peer {
    /// Asks the peer for a sign of life over the connection `generation`.
    pub(crate) fn ask(self: &Arc<Self>, generation: Generation) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let mut state = self.lock();
        if let Link::Up(up) = &state.link
            && up.generation == generation
            && !up.is_closing()
        {
            let number = up.info.pulse().ask();
            self.request(&mut state, time(&node.id, number));
            if let Some(up) = state.up(generation) {
                up.info.pulse().asked(up.out.appended());
            }
        }
    }

    /// Sends a request to the peer's node port. If somebody has to start a connection, says for which wait.
    pub(super) fn request(self: &Arc<Self>, state: &mut State, values: Values) -> Option<Wait> {
        self.request_to(state, &PortName::NODE_PORT, values)
    }

    pub(super) fn request_to(
        self: &Arc<Self>,
        state: &mut State,
        port: &PortName,
        values: Values,
    ) -> Option<Wait> {
        if let Link::Up(up) = &mut state.link
            && !up.is_closing()
        {
            up.send_fitting(port, &values, self.queue_limit);
            return None;
        }
        let message = Waited {
            port: port.clone(),
            values,
            own: true,
        };
        self.let_wait(state, message)
    }
}
