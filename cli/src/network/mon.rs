//! `mon`: waits for a port's death.

use aemp::{PortId, Reason};

use super::Session;

/// Waits until the port dies or messages to it may have been lost, however long that takes.
pub(crate) async fn mon(session: &Session, port: &PortId) -> Reason {
    session.node.gone(port).await
}
