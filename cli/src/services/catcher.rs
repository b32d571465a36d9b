//! `aemp::log`: collects the log lines of all nodes of the network, and prints them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aemp::logs::Excerpt;
use aemp::{LocalNode, NodeId, PortId, Reason, Value, routes};
use tokio::task::AbortHandle;

use super::logs::{CAUGHT, CONNECT, name};
use crate::{output, time};

/// Up to which level, unless the service's argument says otherwise: info.
const LEVEL: u8 = 7;

/// After a node was lost, this long until it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The argument, if there is one, is the level: 1 (fatal) to 9 (trace).
pub(super) fn start(node: &LocalNode, arguments: &[Value]) -> Result<(), Reason> {
    let level = match arguments.first() {
        None => LEVEL,
        Some(level) => level
            .as_u64()
            .and_then(|level| u8::try_from(level).ok())
            .filter(|level| (1..=9).contains(level))
            .ok_or_else(|| {
                Reason::die("its argument is a level from 1 (fatal) to 9 (trace), such as 7")
            })?,
    };
    let mut nodes = node.directory().watch("'l").map_err(Reason::die)?;
    let own = node.id().clone();
    let node = node.clone();
    tokio::spawn(async move {
        let mut caught = BTreeMap::<NodeId, AbortHandle>::new();
        while let Some(change) = nodes.recv().await {
            if change.snapshot {
                caught.values().for_each(AbortHandle::abort);
                caught.clear();
            }
            for gone in change.deleted.iter().filter_map(|id| NodeId::new(id).ok()) {
                if let Some(task) = caught.remove(&gone) {
                    task.abort();
                }
            }
            for there in change.set.keys().filter_map(|id| NodeId::new(id).ok()) {
                if there != own && !caught.contains_key(&there) {
                    let task = tokio::spawn(catch(node.clone(), there.clone(), level));
                    caught.insert(there, task.abort_handle());
                }
            }
        }
    });
    Ok(())
}

/// Asks `from` for its log, again whenever the connection was lost.
async fn catch(node: LocalNode, from: NodeId, level: u8) {
    loop {
        let named = from.clone();
        let port = node.port_of(routes().otherwise(move |_, message| {
            if let Ok((time, context, level, text)) = message.parse::<(f64, String, u8, String)>() {
                print(&named, time, &context, level, &text);
            }
        }));
        let _killed = Killed(&node, port.clone());
        let gone = node.gone(&from);
        node.send(&from, (CONNECT, 0, &port, level));
        gone.await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends the port with the task, so that the other node stops.
struct Killed<'a>(&'a LocalNode, PortId);

impl Drop for Killed<'_> {
    fn drop(&mut self) {
        self.0.kill(&self.1, Reason::normal());
    }
}

/// One line: when it was written there, by whom, how bad it is, and by how much the other clock differs from ours.
fn print(node: &NodeId, at: f64, context: &str, level: u8, text: &str) {
    let behind = time::seconds(SystemTime::now()) - at;
    let then = time::written(at);
    let level = name(level);
    tracing::debug!(target: CAUGHT, %node, level, "a line was caught");
    let line = format!(
        "{then} {node} {level} {}: {:.4000} (clock {:+.3} s)\n",
        Excerpt(context),
        // It is one line, of no other node, whatever is in it.
        Excerpt(text.trim_end()),
        -behind
    );
    // Where nobody reads it, nobody waits for it.
    let _ = output::write(&line);
}
