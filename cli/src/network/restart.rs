//! `restart`: a node starts anew.

use aemp::NodeId;

use super::{Failure, Session, can, eval, node_port};

/// What a Perl node is told to evaluate: it exits in the way that its watchdog starts it again.
const PERL: &str = "require AnyEvent::Watchdog::Util; AnyEvent::Watchdog::Util::restart (); ()";

/// Asks `node` to start anew, in the way that it offers.
pub(crate) async fn restart(session: &Session, node: &NodeId) -> Result<(), Failure> {
    const FUNCTION: &str = "aemp::restart";
    if !can(session, node, FUNCTION).await? {
        return eval(session, node, PERL).await.map(drop);
    }
    // It goes away at once, which is as good an answer as any.
    let gone = session.node.gone(&node_port(node));
    session.node.send(&node_port(node), (FUNCTION,));
    session.wait(node.as_str(), gone).await.map(drop)
}
