//! Requests as they go out.

use crate::reason::abridged;
use crate::value::Values;
use crate::{NodeId, PortId, PortName, Reason, Value};

use super::ALIVE;

/// Asks the peer to watch a port of its own, and to say [`kil0`] when it dies.
pub fn mon1(port: &PortName) -> Values {
    request("mon1", port, &Reason::normal())
}

/// Tells the peer that a port of its own needs no more watching.
pub fn mon0(port: &PortName) -> Values {
    request("mon0", port, &Reason::normal())
}

/// Tells the peer that a port of ours which it watched has died.
pub fn kil0(port: &PortName, reason: &Reason) -> Values {
    request("kil0", port, reason)
}

/// Kills a port of the peer.
pub fn kil1(port: &PortName, reason: &Reason) -> Values {
    request("kil1", port, reason)
}

fn request(word: &'static str, port: &PortName, reason: &Reason) -> Values {
    [Value::from(word), Value::from(port.as_str())]
        .into_iter()
        .chain(abridged(reason).values().iter().cloned())
        .collect()
}

/// Asks the peer for the time, to be answered to our node port as [`ALIVE`] with the number of the question.
pub fn time(us: &NodeId, number: u64) -> Values {
    let us = PortId::from(us.clone()).to_string();
    let words = [Value::from("time"), us.into(), ALIVE.into(), number.into()];
    words.into_iter().collect()
}

/// Asks the peer to send us the empty request, which is ignored: `snd` is the generic echo.
pub fn echo(us: &NodeId) -> Values {
    let us = PortId::from(us.clone()).to_string();
    ["snd", &us, ""].into_iter().map(Value::from).collect()
}

/// The name of the port that a message is about: a request to monitor or kill one, or a message to it.
pub fn about<'v>(port: &'v PortName, values: &'v [Value]) -> &'v str {
    match values {
        [word, name, ..] if port.is_node_port() => match (word.as_str(), name.as_str()) {
            (Some("mon1" | "mon0" | "kil1"), Some(name)) => name,
            _ => port.as_str(),
        },
        _ => port.as_str(),
    }
}
