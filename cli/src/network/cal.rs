//! `cal`: a message to a port, and its answer.

use aemp::Values;
use aemp::{Message, PortId, Value};

use super::{Failure, Session, check_request};

/// Calls a port, and gives the elements of its answer.
pub(crate) async fn cal(
    session: &Session,
    port: &PortId,
    elements: Vec<Value>,
) -> Result<Vec<Value>, Failure> {
    check_request(session, port, &elements).await?;
    let message = elements.into_iter().collect::<Message>();
    // Without a limit of its own the call watches the port, so that one which does not exist is told at once.
    let call = session.node.call::<Values>(port, message);
    let answer = session.wait(&port.to_string(), call).await?;
    answer
        .map(Values::into_vec)
        .map_err(|error| Failure::of_call(port, error))
}
