//! `Monitor`: the guard that ends a monitor when it is dropped.

use std::fmt;
use std::sync::Arc;

use aemp_proto::faulty;
use aemp_proto::monitor::MonitorKey;

use super::action::Armed;
use crate::PortName;

/// Ends its monitor when dropped. After that its action does not begin.
///
/// ```
/// # fn example(node: aemp::LocalNode, worker: aemp::PortId) {
/// use aemp::Monitor;
///
/// struct Session {
///     _watch: Monitor, // Ends with the session.
/// }
///
/// let session = Session {
///     _watch: node.monitor(&worker, |why| println!("the worker has died: {why}")),
/// };
/// # drop(session);
/// # }
/// ```
#[must_use = "a monitor ends when its guard is dropped; keep it, or call `detach`"]
pub struct Monitor {
    /// `None` after [`detach`](Self::detach), and if nobody keeps the monitor.
    entry: Option<Entry>,
    armed: Armed,
    detached: bool,
}

/// The keeper of a monitor: the shards for ports of this node, a peer for its ports.
pub(crate) trait Monitored: Send + Sync {
    /// Ends the monitor `key` on `port`.
    fn unmonitor(self: Arc<Self>, port: &PortName, key: MonitorKey);
}

struct Entry {
    keeper: Arc<dyn Monitored>,
    port: PortName,
    key: MonitorKey,
}

impl Monitor {
    pub(crate) fn new(
        keeper: Arc<dyn Monitored>,
        port: &PortName,
        key: MonitorKey,
        armed: Armed,
    ) -> Self {
        let port = port.clone();
        Self {
            entry: Some(Entry { keeper, port, key }),
            armed,
            detached: false,
        }
    }

    /// The guard of a monitor that nobody keeps, since it has fired when it was set.
    pub(crate) fn fired(armed: Armed) -> Self {
        Self {
            entry: None,
            armed,
            detached: false,
        }
    }

    /// Whether the monitor has fired.
    pub(crate) fn has_fired(&self) -> bool {
        !self.armed.is_set()
    }

    /// Keeps the monitor without its guard, until it fires.
    pub fn detach(mut self) {
        self.entry = None;
        self.detached = true;
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let Some(Entry { keeper, port, key }) = self.entry.take() else {
            // Detached, or not kept by anybody: then its action may still be on its way.
            if !self.detached {
                self.armed.take();
            }
            return;
        };
        if faulty!(FiresAfterDrop) {
            return;
        }
        // A monitor that has fired is already removed.
        if self.armed.take() {
            keeper.unmonitor(&port, key);
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Monitor")
    }
}
