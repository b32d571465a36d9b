//! `Ending`: the shutdown of a node: its deadline, and the report of undelivered bytes.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::NodeId;
use crate::deadline::Deadline;

/// The report of a node's shutdown, from [`shutdown`](crate::LocalNode::shutdown).
///
/// ```
/// # async fn example(node: aemp::LocalNode) {
/// let report = node.shutdown().await;
/// for lost in report.undelivered {
///     eprintln!("{} has not taken {} bytes", lost.node, lost.bytes);
/// }
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "Shutdown")]
pub struct ShutdownReport {
    /// Queued bytes that are lost, for each node that did not accept them in time or could not be reached, sorted by
    /// node. Bytes that the transport has accepted are not included, although the peer may not have read them.
    pub undelivered: Vec<Undelivered>,
    /// The reason, if the node had stopped by itself: an essential task has panicked, or its runtime was dropped. It is
    /// also logged.
    pub failure: Option<String>,
}

/// What a node that has stopped could not deliver to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// The other node.
    pub node: NodeId,
    /// Queued bytes that are lost.
    pub bytes: usize,
}

/// How long a node that stops writes its queues, unless the program sets another limit.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The shutdown of one node.
#[derive(Default)]
pub(crate) struct Ending {
    deadline: OnceLock<Deadline>,
    report: Mutex<ShutdownReport>,
}

impl Ending {
    /// Sets the deadline for writing the queues to `limit` from now, unless it is set already.
    pub(super) fn set_limit(&self, limit: Duration) {
        self.deadline.get_or_init(|| Deadline::after(limit));
    }

    /// The deadline for writing the queues.
    pub(crate) fn deadline(&self) -> Deadline {
        *self.deadline.get_or_init(|| Deadline::after(FLUSH_TIMEOUT))
    }

    /// Records that `bytes` queued bytes for `node` are lost.
    pub(crate) fn add_lost(&self, node: &NodeId, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let nodes = &mut report.undelivered;
        match nodes.binary_search_by(|lost| lost.node.cmp(node)) {
            Ok(at) => nodes[at].bytes += bytes,
            Err(at) => {
                let node = node.clone();
                nodes.insert(at, Undelivered { node, bytes });
            }
        }
    }

    /// Records the reason for which the node stops. Only the first call has an effect.
    pub(super) fn set_failure(&self, failure: String) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.failure.get_or_insert(failure);
    }

    pub(super) fn report(&self) -> ShutdownReport {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.clone()
    }
}
