//! `Gone`: a monitor that is awaited.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::Reason;
use crate::monitor::Monitor;
use crate::watchdog::poll_deferred;

/// The future of [`LocalNode::gone`](crate::LocalNode::gone).
///
/// # Cancel safety
/// Dropping it ends the monitor.
#[must_use = "the monitor ends when its future is dropped; await it"]
pub struct Gone {
    pub(super) reason: oneshot::Receiver<Reason>,
    pub(super) _watch: Monitor,
    /// The reason if the node stops first.
    pub(super) stopped: Reason,
}

impl Future for Gone {
    type Output = Reason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let reason = poll_deferred(Pin::new(&mut self.reason), cx);
        reason.map(|reason| reason.unwrap_or_else(|_| self.stopped.clone()))
    }
}

impl fmt::Debug for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gone")
    }
}
