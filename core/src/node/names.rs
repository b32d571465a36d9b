//! `Names`: the names of a node's ports, those that it makes up and those that are given.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aemp_proto::id::REPLY;
use aemp_proto::map::HashSet;

use crate::entropy::Entropy;
use crate::{NodeId, PortName};

/// The names of the ports of one node.
pub(crate) struct Names {
    /// Made anew by each process, so that a restarted node never answers to an old port ID (protocol.md section 1).
    unique: String,
    counter: AtomicU64,
    /// Names that were given to ports and not made up.
    given: Arc<Given>,
}

#[derive(Default)]
struct Given(Mutex<HashSet<PortName>>);

impl Given {
    fn lock(&self) -> MutexGuard<'_, HashSet<PortName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A given name, in use as long as this lives.
pub(super) struct Taken {
    name: PortName,
    given: Arc<Given>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.given.lock().remove(&self.name);
    }
}

/// What the names of ports begin with that this node makes up.
fn unique_word(_id: &NodeId, entropy: &Entropy) -> String {
    #[cfg(aemp_faults)]
    if aemp_proto::faults::is(aemp_proto::faults::Fault::SameNames) {
        return _id.to_string();
    }
    entropy.word::<10>()
}

impl Names {
    pub(super) fn new(id: &NodeId, entropy: &Entropy) -> Self {
        Self {
            unique: unique_word(id, entropy),
            counter: AtomicU64::new(0),
            given: Arc::default(),
        }
    }

    /// A number that this node has not used.
    pub(super) fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// A name that no port of any node ever had.
    pub(crate) fn unique(&self) -> PortName {
        format!("{}{}", self.unique, self.next()).into()
    }

    /// A name for a port that takes the answer of a call.
    pub(super) fn reply(&self) -> PortName {
        format!("{}{}{}", REPLY, self.unique, self.next()).into()
    }

    /// A name for a port that this node spawns on another.
    pub(crate) fn remote(&self) -> PortName {
        // Told apart from local names by the letter, which also keeps the two random words from ever meeting.
        format!("r{}{}", self.unique, self.next()).into()
    }

    /// Whether this is a name that this node makes up, or may make up next.
    pub(super) fn is_own(&self, name: &PortName) -> bool {
        let name = name.as_str();
        let name = name.strip_prefix(REPLY).unwrap_or(name);
        name.starts_with(&self.unique)
    }

    /// Takes a name. `None` if it is in use, or is that of the node port.
    pub(super) fn take(&self, name: &PortName) -> Option<Taken> {
        let is_free = !name.is_node_port() && self.given.lock().insert(name.clone());
        is_free.then(|| Taken {
            name: name.clone(),
            given: self.given.clone(),
        })
    }
}
