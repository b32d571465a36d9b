//! Arguments of commands, on the command line and in the shell, as what they stand for.

use std::net::Ipv6Addr;

use aemp::{NodeId, PortId, Text, Value};

use crate::failure::Failure;

/// The argument at `at`, which has to be a text that is not empty.
pub(crate) fn text(arguments: &[Value], at: usize, what: &str) -> Result<Text, Failure> {
    match arguments.get(at) {
        Some(Value::Text(text)) if !text.is_empty() => Ok(text.clone()),
        Some(other) => Err(Failure::Usage(format!(
            "{what} is a text, and {other} is none"
        ))),
        None => Err(Failure::Usage(format!("{what} is missing"))),
    }
}

/// Whether a word begins with an IPv6 address in brackets, which is no JSON.
pub(crate) fn is_address(word: &str) -> bool {
    let inside = word.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(inside, rest)| {
        let ip = inside.split_once('%').map_or(inside, |(ip, _)| ip);
        ip.parse::<Ipv6Addr>().is_ok() && (rest.is_empty() || rest.starts_with([':', ',']))
    })
}

/// The first argument as a port ID, or as a node ID, which is its node port.
pub(crate) fn port(arguments: &[Value]) -> Result<PortId, Failure> {
    let words = text(arguments, 0, "a port ID")?;
    let node = || NodeId::new(&words).ok().map(PortId::from);
    words
        .parse()
        .ok()
        .or_else(node)
        .ok_or_else(|| Failure::Usage(format!("{words:?} is no port ID, which is NODE#PORT")))
}

/// The first argument as a node ID.
pub(crate) fn node(arguments: &[Value]) -> Result<NodeId, Failure> {
    let words = text(arguments, 0, "a node ID")?;
    NodeId::new(&words).map_err(|error| Failure::Usage(error.to_string()))
}
