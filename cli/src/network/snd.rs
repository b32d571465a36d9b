//! `snd`: a message to a port.

use aemp::{Message, PortId, Value};

use super::{Failure, Session, check_request, node_port};

/// Sends a message, and waits until the port's node has got it. That the port exists is not known then.
pub(crate) async fn snd(
    session: &Session,
    port: &PortId,
    elements: Vec<Value>,
) -> Result<(), Failure> {
    check_request(session, port, &elements).await?;
    let message = elements.into_iter().collect::<Message>();
    session.node.try_send(port, message)?;
    reached(session, port).await
}

/// Waits until the node of `port` has got all that was sent: it is asked to send something back, which it does after it
/// has read the rest (protocol.md section 10).
pub(super) async fn reached(session: &Session, port: &PortId) -> Result<(), Failure> {
    let node = &session.node;
    let mut inbox = node.inbox();
    let there = node_port(port.node());
    let gone = node.gone(&there);
    node.try_send(&there, ("snd", inbox.id(), "done"))?;
    let got = async {
        tokio::select! {
            _ = inbox.recv() => Ok(()),
            reason = gone => Err(Failure::Gone { target: port.to_string(), reason }),
        }
    };
    session.wait(port.node().as_str(), got).await?
}
