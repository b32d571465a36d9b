//! `trace`: who is connected to whom.

use std::collections::BTreeSet;

use aemp::{NodeId, Value};

use super::{Failure, Session, eval};

/// The source by which a node is asked whom it is connected to. Nodes of ours know it as well (protocol.md section 10).
const UP_NODES: &str = "AnyEvent::MP::Kernel::up_nodes";

/// A node, and those that it is connected to or why it did not say.
pub(crate) type Heard = (NodeId, Result<Vec<NodeId>, Failure>);

/// Asks `first` and then every node that is heard of, each once, and tells of each answer as it comes.
pub(crate) async fn trace(session: &Session, first: &NodeId, mut tell: impl FnMut(Heard)) {
    let mut known = BTreeSet::from([first.clone()]);
    let mut asked = tokio::task::JoinSet::new();
    let ask = |asked: &mut tokio::task::JoinSet<Heard>, node: NodeId| {
        let session = session.another();
        asked.spawn(async move {
            let answer = neighbours(&session, &node).await;
            (node, answer)
        });
    };
    ask(&mut asked, first.clone());
    while let Some(Ok((node, answer))) = asked.join_next().await {
        for neighbour in answer.iter().flatten() {
            // We are in the network for the time of this command only.
            if neighbour != session.node.id() && known.insert(neighbour.clone()) {
                ask(&mut asked, neighbour.clone());
            }
        }
        tell((node, answer));
    }
}

async fn neighbours(session: &Session, node: &NodeId) -> Result<Vec<NodeId>, Failure> {
    let up = eval(session, node, UP_NODES).await?;
    let ids = up.iter().filter_map(Value::as_str);
    Ok(ids.filter_map(|id| NodeId::new(id).ok()).collect())
}
