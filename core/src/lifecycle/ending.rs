//! The end of a node: how long it may take, and what it could not deliver.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::NodeId;
use crate::deadline::Deadline;

/// What a node that stops could not deliver, from [`shutdown`](crate::LocalNode::shutdown).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// For each node, in order, that did not take everything in time, or could not be reached: how many bytes that were queued for
    /// it are lost. Bytes that the transport has taken are not among them, although the peer may not have read them.
    pub undelivered: Vec<(NodeId, usize)>,
    /// Why the node had stopped by itself, if it had: a part without which it would have been deaf ended, by a panic or
    /// with the runtime. It is logged as well.
    pub failure: Option<String>,
}

/// How long a node that stops tries to send what is queued, unless it is told otherwise.
const FLUSH: Duration = Duration::from_secs(2);

/// The end of one node.
#[derive(Default)]
pub(crate) struct Ending {
    deadline: OnceLock<Deadline>,
    report: Mutex<Shutdown>,
}

impl Ending {
    /// What is queued may go out for so long from now on, unless that was said before.
    pub(super) fn within(&self, limit: Duration) {
        self.deadline.get_or_init(|| Deadline::after(limit));
    }

    /// Until when what is queued may go out.
    pub(crate) fn deadline(&self) -> Deadline {
        *self.deadline.get_or_init(|| Deadline::after(FLUSH))
    }

    /// So many bytes for `node` are lost.
    pub(crate) fn lost(&self, node: &NodeId, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let nodes = &mut report.undelivered;
        match nodes.binary_search_by(|(other, _)| other.cmp(node)) {
            Ok(at) => nodes[at].1 += bytes,
            Err(at) => nodes.insert(at, (node.clone(), bytes)),
        }
    }

    /// The node stops for the reason in `failure`; the first one counts.
    pub(super) fn failed(&self, failure: String) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.failure.get_or_insert(failure);
    }

    pub(super) fn report(&self) -> Shutdown {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.clone()
    }
}
