//! `Names`: the names of a node's ports, both generated and given ones.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aemp_proto::faulty;
use aemp_proto::id::REPLY;
use aemp_proto::map::HashSet;

use crate::entropy::Entropy;
use crate::error::NameError;
use crate::{NodeId, PortName};

/// The names of the ports of one node.
pub(crate) struct Names {
    /// Random for each process, so that a restarted node has no port with an old ID (protocol.md section 1).
    prefix: String,
    counter: AtomicU64,
    /// The given names that are in use.
    reserved: Arc<Reserved>,
}

#[derive(Default)]
struct Reserved(Mutex<HashSet<PortName>>);

impl Reserved {
    fn lock(&self) -> MutexGuard<'_, HashSet<PortName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reserved name. Dropping this releases it.
pub(super) struct ReservedName {
    name: PortName,
    reserved: Arc<Reserved>,
}

impl Drop for ReservedName {
    fn drop(&mut self) {
        self.reserved.lock().remove(&self.name);
    }
}

/// The prefix of all generated names of this node.
fn unique_prefix(id: &NodeId, entropy: &Entropy) -> String {
    if faulty!(SameNames) {
        return id.to_string();
    }
    entropy.alphanumeric::<10>()
}

impl Names {
    pub(super) fn new(id: &NodeId, entropy: &Entropy) -> Self {
        Self {
            prefix: unique_prefix(id, entropy),
            counter: AtomicU64::new(0),
            reserved: Arc::default(),
        }
    }

    /// A number that this node has not used before.
    pub(super) fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// A name that no port of any node has had.
    pub(crate) fn unique(&self) -> PortName {
        format!("{}{}", self.prefix, self.next()).into()
    }

    /// A name for a port that receives the answer of a call.
    pub(super) fn reply(&self) -> PortName {
        format!("{}{}{}", REPLY, self.prefix, self.next()).into()
    }

    /// A name for a port that this node spawns on another node.
    pub(crate) fn remote(&self) -> PortName {
        // The letter distinguishes it from local names, so that the random words of two nodes cannot collide.
        format!("r{}{}", self.prefix, self.next()).into()
    }

    /// Whether this node has generated the name, or may generate it later.
    pub(super) fn is_generated(&self, name: &PortName) -> bool {
        let name = name.as_str();
        let name = name.strip_prefix(REPLY).unwrap_or(name);
        name.starts_with(&self.prefix)
    }

    /// Reserves a name.
    pub(super) fn reserve(&self, name: &PortName) -> Result<ReservedName, NameError> {
        let name = name.clone();
        if name.is_node_port() {
            return Err(NameError::Empty);
        }
        if !self.reserved.lock().insert(name.clone()) {
            return Err(NameError::Taken { name });
        }
        let reserved = self.reserved.clone();
        Ok(ReservedName { name, reserved })
    }
}
