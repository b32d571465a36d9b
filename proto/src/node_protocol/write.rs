//! Writing requests.

use crate::reason::abridged;
use crate::value::Values;
use crate::{NodeId, PortId, PortName, Reason, Value};

use super::ALIVE;

/// Asks the peer to watch a port of its own, and to send [`kil0`] when it dies.
pub fn mon1(port: &PortName) -> Values {
    request("mon1", port, &Reason::normal())
}

/// Asks the peer to stop watching a port of its own.
pub fn mon0(port: &PortName) -> Values {
    request("mon0", port, &Reason::normal())
}

/// Reports that a port of ours, which the peer watches, has died.
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

/// A liveness probe: asks for the time, with an answer to our node port that begins with [`ALIVE`] and `number`.
pub fn time(us: &NodeId, number: u64) -> Values {
    let us = PortId::from(us.clone()).to_string();
    let words = [Value::from("time"), us.into(), ALIVE.into(), number.into()];
    words.into_iter().collect()
}

/// Asks the peer to send the empty request to our node port, where it is ignored. Any node answers it, as `snd` relays.
pub fn echo(us: &NodeId) -> Values {
    let us = PortId::from(us.clone()).to_string();
    ["snd", &us, ""].into_iter().map(Value::from).collect()
}

/// The port that a message concerns: the port that a request monitors, stops monitoring or kills; otherwise the
/// receiver.
pub fn target_port<'v>(port: &'v PortName, values: &'v [Value]) -> &'v str {
    match values {
        [word, name, ..] if port.is_node_port() => match (word.as_str(), name.as_str()) {
            (Some("mon1" | "mon0" | "kil1"), Some(name)) => name,
            _ => port.as_str(),
        },
        _ => port.as_str(),
    }
}
