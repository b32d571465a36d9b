//! The names that are known in the network: what completion chooses from.
//!
//! Shared by the shell and the thread that reads lines, each under the lock of `Names` for a look.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aemp::{PortId, Text};

use crate::network::{self, Session};

/// Families with more keys than this are not asked for them.
const LARGE: u64 = 1000;

/// Nor are more families than this.
const FAMILIES: usize = 100;

/// What was learnt is not learnt again sooner.
const FRESH: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) nodes: BTreeSet<String>,
    /// Ports that stand in families, and those that the shell has dealt with.
    pub(super) ports: BTreeSet<String>,
    pub(super) families: BTreeSet<String>,
    pub(super) watched: BTreeSet<String>,
    /// What can be spawned, as far as this program knows it.
    pub(super) functions: BTreeSet<String>,
}

/// The same, for all who need it.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<Known>>);

impl Names {
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the network. Where nobody answers, what was known stays.
    async fn learn(&self, session: &Session) {
        let own = session.node.id().as_str();
        let links = session.node.connections();
        let mut nodes: BTreeSet<String> =
            links.iter().map(|link| link.peer().to_string()).collect();
        let directory = session.node.directory();
        let keys = async |family: &str| {
            let asked = directory.keys(family).within(session.limit);
            asked.await.unwrap_or_default()
        };
        let text = |key: &Text| key.to_string();
        for family in ["'l", "'g"] {
            nodes.extend(keys(family).await.iter().map(text));
        }
        nodes.remove(own);
        self.lock().nodes = nodes;
        let Ok(families) = network::families(session).await else {
            return;
        };
        self.lock().families = families.keys().cloned().collect();
        let small = families.iter().filter(|(_, keys)| **keys <= LARGE);
        for (family, _) in small.take(FAMILIES) {
            let keys = keys(family).await;
            // A node's ID alone is its node port, and known as a node.
            let port = |key: &&Text| key.contains('#') && key.parse::<PortId>().is_ok();
            let ports = keys.iter().filter(port);
            self.lock().ports.extend(ports.map(text));
        }
    }
}

/// Learns names while the shell does something else.
pub(super) struct Learner {
    names: Names,
    running: Option<tokio::task::JoinHandle<()>>,
    begun: Option<Instant>,
}

impl Learner {
    pub(super) fn new(names: Names) -> Self {
        Self {
            names,
            running: None,
            begun: None,
        }
    }

    /// Looks what is new, unless that is being done or has just been done.
    pub(super) fn look(&mut self, session: &Session) {
        let busy = self
            .running
            .as_ref()
            .is_some_and(|task| !task.is_finished());
        let fresh = self.begun.is_some_and(|begun| begun.elapsed() < FRESH);
        if busy || fresh {
            return;
        }
        let (names, session) = (self.names.clone(), session.another());
        self.begun = Some(Instant::now());
        let learn = async move { names.learn(&session).await };
        self.running = Some(tokio::spawn(crate::progress::quietly(learn)));
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        if let Some(task) = self.running.take() {
            task.abort();
        }
    }
}
