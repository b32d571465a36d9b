//! `spawn`: a new port on another node.

use aemp::{Message, NodeId, PortId, Reason, Value};

use super::snd::reached;
use super::{Failure, Session};

/// Runs a function that `node` offers as a new port, waits until the node has been told, and gives the port's ID and what
/// tells of its end. Without such a function that comes at once, yet possibly not before the node has answered.
pub(crate) async fn spawn(
    session: &Session,
    node: &NodeId,
    function: &str,
    arguments: Vec<Value>,
) -> Result<(PortId, impl Future<Output = Reason> + Send + use<>), Failure> {
    let arguments = arguments.into_iter().collect::<Message>();
    let port = session.node.spawn(node, function, arguments)?;
    let gone = session.node.gone(&port);
    reached(session, &port).await?;
    Ok((port, gone))
}
