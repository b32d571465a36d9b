//! `restart`: a node starts anew.

use aemp::NodeId;

use super::inspect::is_true;
use super::{Failure, Session, can, eval, node_port};

/// What a Perl node is told to evaluate: whether it runs under a watchdog, which is what starts it again.
const GUARDED: &str =
    "eval { require AnyEvent::Watchdog::Util; AnyEvent::Watchdog::Util::enabled () } ? 1 : 0";

/// And this: it exits in the way that its watchdog starts it again.
const RESTART: &str = "require AnyEvent::Watchdog::Util; AnyEvent::Watchdog::Util::restart (); ()";

/// And this, where there is no watchdog.
const EXIT: &str = "exit 0";

/// Asks `node` to start anew, in the way that it offers. A Perl node that nothing starts again is left alone, unless
/// `end_it`.
pub(crate) async fn restart(session: &Session, node: &NodeId, end_it: bool) -> Result<(), Failure> {
    const FUNCTION: &str = "aemp::restart";
    if can(session, node, FUNCTION).await? {
        let gone = session.node.gone(node_port(node));
        session.node.send(node_port(node), (FUNCTION,));
        // It goes away at once, which is as good an answer as any.
        return session.wait(node.as_str(), gone).await.map(drop);
    }
    let guarded = eval(session, node, GUARDED).await?;
    let is_guarded = guarded.first().is_some_and(is_true);
    if !is_guarded && !end_it {
        return Err(Failure::NoWatchdog { node: node.clone() });
    }
    match eval(session, node, if is_guarded { RESTART } else { EXIT }).await {
        Ok(_) => Err(Failure::answer(
            node,
            "that it goes on, although it was told to exit",
        )),
        // It exits without an answer.
        Err(Failure::Gone { .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}
