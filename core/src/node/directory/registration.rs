//! `Registration`: a directory entry that exists as long as its guard and its port.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::node::Inner;
use crate::{Monitor, PortId, Text};

/// Keeps an entry in the directory until this guard is dropped or the port dies; created by
/// [`Directory::register`](crate::Directory::register) and [`Group::join`](crate::Group::join).
#[must_use = "the entry is deleted when its guard is dropped; keep it, or call `detach`"]
pub struct Registration {
    entry: Arc<Entry>,
    watch: Option<Monitor>,
}

struct Entry {
    node: Arc<Inner>,
    family: Text,
    key: Text,
    gone: AtomicBool,
}

impl Entry {
    fn delete(&self) {
        if !self.gone.swap(true, Ordering::AcqRel) {
            self.node
                .directory
                .unregister(&self.node, &self.family, &self.key);
        }
    }
}

impl Registration {
    pub(super) fn new(node: &Arc<Inner>, family: Text, key: Text, port: &PortId) -> Self {
        let entry = Arc::new(Entry {
            node: node.clone(),
            family,
            key,
            gone: AtomicBool::new(false),
        });
        let dead = entry.clone();
        let watch = node.monitor(port, move |_| dead.delete(), None);
        Self {
            entry,
            watch: Some(watch),
        }
    }

    /// Keeps the entry without the guard, until the port dies.
    pub fn detach(mut self) {
        if let Some(watch) = self.watch.take() {
            watch.detach();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.watch.is_some() {
            self.entry.delete();
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { family, key, .. } = &*self.entry;
        write!(f, "Registration({family}, {key})")
    }
}
