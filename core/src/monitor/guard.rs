//! `Monitor`: the guard that ends a monitor when it is dropped.

use std::fmt;
use std::sync::Arc;

use aemp_proto::monitor::MonitorKey;

use super::action::Armed;
use crate::PortName;

/// Ends its monitor when dropped: from then on its action does not begin any more.
#[must_use = "a monitor ends when its guard is dropped; keep it, or call `detach`"]
pub struct Monitor {
    /// `None` once it is to live until it fires.
    kept: Option<Kept>,
    armed: Armed,
}

/// What keeps monitors: the shards those on ports of this node, and a peer those on its own.
pub(crate) trait Monitored: Send + Sync {
    /// Ends the monitor `key` on `port`.
    fn unmonitor(self: Arc<Self>, port: &PortName, key: MonitorKey);
}

struct Kept {
    by: Arc<dyn Monitored>,
    port: PortName,
    key: MonitorKey,
}

impl Monitor {
    pub(crate) fn new(
        by: Arc<dyn Monitored>,
        port: &PortName,
        key: MonitorKey,
        armed: Armed,
    ) -> Self {
        let port = port.clone();
        Self {
            kept: Some(Kept { by, port, key }),
            armed,
        }
    }

    /// Whether it has fired.
    pub(crate) fn has_fired(&self) -> bool {
        !self.armed.is_set()
    }

    /// Lets the monitor live until it fires.
    pub fn detach(mut self) {
        self.kept = None;
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let Some(Kept { by, port, key }) = self.kept.take() else {
            return;
        };
        #[cfg(aemp_faults)]
        if aemp_proto::faults::is(aemp_proto::faults::Fault::FiresAfterDrop) {
            return;
        }
        // Firing has removed one that has fired.
        if self.armed.take() {
            by.unmonitor(&port, key);
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Monitor")
    }
}
