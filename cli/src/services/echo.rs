//! `aemp::echo`: a port that sends back what it gets. Others can have one spawned here as well, under the same name.

use std::sync::Arc;
use std::time::Duration;

use aemp::Values;
use aemp::logs::LogAllowance;
use aemp::{Context, LocalNode, Message, PortId, Reason};

/// The family in which echo ports are found.
const FAMILY: &str = "aemp_echo";

/// Makes the port `echo`, and registers it.
pub(super) fn start(node: &LocalNode) -> Result<(), Reason> {
    let lines = Arc::new(LogAllowance::new("echo", 50, Duration::from_secs(1)));
    let echo = move |cx: &mut Context<'_>, message: Message| echo(cx, message, &lines);
    let spawned = echo.clone();
    node.offer("aemp::echo", move |_, _: Values| spawned.clone());
    let port = node.port_named("echo", echo)?;
    let registered = node.directory().register(FAMILY, &port, ());
    registered.map_err(Reason::die)?.detach();
    Ok(())
}

/// Sends all elements but the last to the port whose ID the last one is.
fn echo(cx: &mut Context<'_>, message: Message, lines: &LogAllowance) -> Result<(), Reason> {
    let mut elements = message.into_values()?.into_vec();
    let reply = elements.pop();
    let reply: Option<PortId> = reply.and_then(|reply| reply.as_str()?.parse().ok());
    let refused = match reply {
        // To a node port it would be a request of this node, in the words of whoever has sent it.
        Some(reply) if reply.port().is_node_port() => "a message that is to be sent to a node port",
        Some(reply) => {
            cx.send(&reply, elements.into_iter().collect::<Message>());
            return Ok(());
        }
        None => "a message that does not end in a port ID",
    };
    // A port that dies at the first stranger is of no use.
    if lines.admits() {
        tracing::warn!(target: "aemp::echo", "{refused}");
    }
    Ok(())
}
