//! `Monitor`: the guard that ends a monitor when it is dropped.

use std::fmt;
use std::sync::Arc;

use aemp_proto::monitor::MonitorKey;

use super::action::Armed;
use crate::PortName;
use crate::peer::Peer;
use crate::shard::Shards;

/// Ends its monitor when dropped: from then on its action does not begin any more.
#[must_use = "a monitor ends when its guard is dropped; keep it, or call `detach`"]
pub struct Monitor {
    target: Option<Target>,
    armed: Armed,
}

/// Where the monitor is kept.
pub(crate) enum Target {
    /// With a port of this node.
    Local(Arc<Shards>, PortName, MonitorKey),
    /// In the table of a peer.
    Peer(Arc<Peer>, PortName, MonitorKey),
}

impl Monitor {
    pub(crate) fn new(target: Target, armed: Armed) -> Self {
        Self {
            target: Some(target),
            armed,
        }
    }

    /// Whether it has fired.
    pub(crate) fn has_fired(&self) -> bool {
        !self.armed.is_set()
    }

    /// Lets the monitor live until it fires.
    pub fn detach(mut self) {
        self.target = None;
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let Some(target) = self.target.take() else {
            return;
        };
        #[cfg(aemp_faults)]
        if aemp_proto::faults::is(aemp_proto::faults::Fault::FiresAfterDrop) {
            return;
        }
        if !self.armed.take() {
            // It has fired, and firing has removed it.
            return;
        }
        match target {
            Target::Local(shards, port, key) => shards.unwatch(port, key),
            Target::Peer(peer, port, key) => peer.unmonitor(&port, key),
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Monitor")
    }
}
