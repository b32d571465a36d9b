//! The node protocol's words as they go out (protocol.md section 5).

use std::sync::Arc;

use super::{Link, Peer, State};
use crate::message::Values;
use crate::{PortName, Reason, Value};

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

fn request(word: &'static str, port: &PortName, reason: &Reason) -> Values {
    [Value::from(word), Value::from(port.as_str())]
        .into_iter()
        .chain(reason.values().iter().cloned())
        .collect()
}

impl Peer {
    /// Sends a request to the peer's node port. True if somebody has to start a connection.
    pub(super) fn request(self: &Arc<Self>, state: &mut State, values: Values) -> bool {
        self.request_to(state, &PortName::NODE_PORT, values)
    }

    pub(super) fn request_to(
        self: &Arc<Self>,
        state: &mut State,
        port: &PortName,
        values: Values,
    ) -> bool {
        if let Link::Up(up) = &mut state.link {
            up.send_fitting(port, &values, self.queue_limit());
            return false;
        }
        self.let_wait(state, port.clone(), values)
    }

    /// Lets a message wait for a connection, within the limit. True if somebody has to start one.
    pub(super) fn let_wait(
        self: &Arc<Self>,
        state: &mut State,
        port: PortName,
        values: Values,
    ) -> bool {
        let limit = self.queue_limit();
        let start = state.link.wanted();
        if let Link::Waiting(waiting) = &mut state.link
            && !waiting.push(port, values, limit)
        {
            self.give_up(
                state,
                &format!("more than {limit} bytes wait for a connection"),
            );
        }
        start
    }
}
