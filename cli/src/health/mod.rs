//! The health of a node that `run` has started, for those who keep it running: whether it is *live*, and would not be better
//! started anew, and whether it is *ready* for others.
//!
//! `turns` follows the shards, `watcher` has the thread in which all of this runs, `endpoint` answers HTTP there, to as
//! many at a time as `places` has room for, and `metrics` writes the node's statistics for Prometheus. `ask` is the other end: it reads
//! what an endpoint says.

mod ask;
mod endpoint;
mod metrics;
mod places;
#[cfg(test)]
mod tests;
mod turns;
mod watcher;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aemp::error::Report;
use aemp::logs::Excerpt;
use aemp::stats::SeedState;
use aemp::{LocalNode, NodeId};

pub(crate) use ask::ask;
pub(crate) use endpoint::listen;
pub(crate) use turns::INTERVAL;
pub(crate) use watcher::Watcher;

use turns::Turns;

/// Where the endpoint says whether the node is live.
pub(crate) const LIVE: &str = "/live";

/// Where it says whether the node is ready.
pub(crate) const READY: &str = "/ready";

/// Where it has the statistics.
const METRICS: &str = "/metrics";

/// One thing that was looked at. As text it is a line: `ok     WHAT: TEXT`, or `WRONG  WHAT: TEXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// Without a colon.
    pub(crate) what: String,
    /// What was found, or what is wrong.
    pub(crate) found: Result<String, String>,
}

const OK: &str = "ok     ";
const WRONG: &str = "WRONG  ";

impl Check {
    fn new(what: &str, found: Result<String, String>) -> Self {
        Self {
            what: what.to_owned(),
            found,
        }
    }

    /// What a node says of itself that has started and not stopped by itself.
    pub(crate) fn of_running(node: &NodeId) -> Self {
        Self::new("node", Ok(format!("{node} runs")))
    }

    /// Reads a line as [`Display`](fmt::Display) writes it.
    fn read(line: &str) -> Option<Self> {
        let (is_well, rest) = match line.strip_prefix(OK) {
            Some(rest) => (true, rest),
            None => (false, line.strip_prefix(WRONG)?),
        };
        let (what, text) = rest.split_once(": ")?;
        let text = text.to_owned();
        let found = if is_well { Ok(text) } else { Err(text) };
        Some(Self::new(what, found))
    }

    /// Whether nothing is wrong with any.
    pub(crate) fn all_are_well(checks: &[Self]) -> bool {
        checks.iter().all(|check| check.found.is_ok())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, text) = match &self.found {
            Ok(text) => (OK, text),
            Err(text) => (WRONG, text),
        };
        // Errors have text of other nodes in them.
        write!(f, "{label}{}: {}", self.what, Excerpt(text))
    }
}

/// The state of a node, for whoever asks. Shared by the thread of the [`Watcher`], and whoever stops the node.
pub(crate) struct Health {
    node: LocalNode,
    turns: Turns,
    /// The node is about to stop: nobody should begin anything with it.
    is_stopping: AtomicBool,
}

impl Health {
    fn new(node: LocalNode, interval: Duration) -> Self {
        Self {
            turns: Turns::new(node.stats().shards.len(), interval),
            node,
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Whether the node would be better started anew. A node that stops in order is live.
    fn live(&self) -> [Check; 2] {
        let has_failed = self.turns.has_stopped() && !self.is_stopping.load(Ordering::Relaxed);
        let node = match has_failed {
            false => Check::of_running(self.node.id()),
            true => {
                let why = "it has stopped by itself, which its log explains";
                Check::new("node", Err(String::from(why)))
            }
        };
        let shards = self.turns.check(|| self.node.stats().shards);
        [node, Check::new("shards", shards)]
    }

    /// Whether others can begin something with the node.
    fn ready(&self) -> [Check; 2] {
        let found = match self.is_stopping.load(Ordering::Relaxed) {
            true => Err(String::from("the node is stopping")),
            false => Ok(listening(&self.node)),
        };
        [
            Check::new("listening", found),
            Check::new("seeds", seeds(&self.node)),
        ]
    }
}

/// Whether a node that has started is ready: it listens, and is in its network.
pub(crate) fn has_joined(node: &LocalNode) -> bool {
    seeds(node).is_ok()
}

/// The addresses at which a started node listens: it does not start without one of its binds, and stops without its listener.
fn listening(node: &LocalNode) -> String {
    let addresses = node.addresses();
    match addresses.is_empty() {
        true => String::from("nowhere, as it has no binds"),
        false => list(addresses),
    }
}

/// Whether the node is connected to one of its seeds, or is what others connect to.
fn seeds(node: &LocalNode) -> Result<String, String> {
    let seeds = node.seeds();
    let Some(first) = seeds.first() else {
        return Ok(String::from("it has none"));
    };
    let connected = seeds.iter().filter_map(|seed| match &seed.state {
        SeedState::Connected(peer) => Some(format!("connected to {peer} at {}", seed.address)),
        _ => None,
    });
    let connected: Vec<String> = connected.collect();
    if !connected.is_empty() {
        return Ok(list(connected));
    }
    let others = seeds.iter().filter_map(|seed| match &seed.state {
        SeedState::Itself => None,
        SeedState::Failed(why) | SeedState::Refused(why) => {
            Some(format!("{}: {}", seed.address, Report(why)))
        }
        _ => Some(format!("{}: not answered yet", seed.address)),
    });
    let others: Vec<String> = others.collect();
    let lacks = others.join("; ");
    if others.len() == seeds.len() {
        return Err(format!(
            "no connection to any; \"aemp doctor\" on its host says more; {lacks}"
        ));
    }
    if others.is_empty() {
        return Ok(String::from("it is one itself"));
    }
    // All have the same seeds: the first of them has nobody to wait for. For another one to be itself says little, as a name can stand
    // for all nodes of a cluster: it has lost them, or found none yet, unless somebody is connected to it.
    let is_first = first.state == SeedState::Itself;
    match is_first || !node.connections().is_empty() {
        true => Ok(format!("it is one itself; {lacks}")),
        false => Err(format!(
            "it is one itself, and has no connection to another node; {lacks}"
        )),
    }
}

fn list<T: ToString>(items: Vec<T>) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
