//! `cal`: a message to a port, and its answer.

use aemp::{Message, PortId, Value};

use super::{Failure, Session};

/// Calls a port, and gives the elements of its answer.
pub(crate) async fn cal(
    session: &Session,
    port: &PortId,
    elements: Vec<Value>,
) -> Result<Vec<Value>, Failure> {
    let Session { node, limit } = session;
    let message = elements.into_iter().collect::<Message>();
    // Without a limit of its own the call watches the port, so that one which does not exist is told at once.
    let call = async {
        let answer = node.call::<_, Vec<Value>>(port, message).await;
        answer.map_err(|error| Failure::of_call(port, error))
    };
    let answer = tokio::time::timeout(*limit, call).await;
    answer.unwrap_or_else(|_| {
        Err(Failure::TimedOut {
            target: port.to_string(),
            limit: *limit,
        })
    })
}
