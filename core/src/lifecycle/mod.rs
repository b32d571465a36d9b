//! `Lifecycle`: the tasks of a node and its shutdown: on request, after the failure of a part, or with its runtime.

mod ending;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{NodeId, Reason};

pub(crate) use ending::Ending;
pub use ending::{ShutdownReport, Undelivered};
pub(crate) use tasks::Essential;
use tasks::Tasks;

/// The text in the reason of ports that died with their node.
const STOPPED: &str = "node stopped";

/// The lifecycle of one node, shared by all its tasks.
pub(crate) struct Lifecycle {
    id: NodeId,
    pub(crate) runtime: Handle,
    /// Cancelled when the node has to stop.
    pub(crate) stop: CancellationToken,
    /// Deadline and report of the shutdown.
    pub(crate) ending: Ending,
    /// Cancelled when the node has stopped.
    stopped: CancellationToken,
    /// Tasks of links, listeners and connectors. The node has stopped when all of them have ended.
    tasks: Tasks,
}

impl Lifecycle {
    pub(crate) fn new(id: NodeId, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            id,
            tasks: Tasks::new(runtime.clone()),
            runtime,
            stop: CancellationToken::new(),
            ending: Ending::default(),
            stopped: CancellationToken::new(),
        })
    }

    /// The tracing span of this node's tasks; a process may have several nodes. It has no parent, so that a task
    /// started by another task of the node is not in it twice.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!(target: "aemp::node", parent: None, "node", id = %self.id)
    }

    /// Spawns a task of the node. Returns false if the node has stopped. The node waits for the task when it stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.tasks.spawn(task.instrument(self.span()))
    }

    /// Spawns a task like [`spawn`](Self::spawn); the node stops if the task panics or is dropped.
    pub(crate) fn spawn_essential(
        self: &Arc<Self>,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> bool {
        self.spawn(Essential::new(self, name.into()).run(task))
    }

    /// Stops the node because a part of it has failed. Does nothing if it is stopping already.
    pub(crate) fn fail(&self, why: String) {
        if !self.stop.is_cancelled() {
            self.ending.set_failure(why.clone());
            self.stop.cancel();
            tracing::error!(target: "aemp::node", node = %self.id, "the node stops: {why}");
        }
    }

    /// Stops the node because its runtime is dropped. The program does that itself, often at its end, so it is no error.
    pub(crate) fn abandon(&self) {
        if !self.stop.is_cancelled() {
            self.ending
                .set_failure(String::from("its runtime was dropped"));
            self.stop.cancel();
            tracing::info!(target: "aemp::node", node = %self.id, "the node stops with its runtime");
        }
    }

    /// The reason of ports that die with the node.
    pub(crate) fn stopped_reason(&self) -> Reason {
        Reason::transport_error(&self.id, STOPPED)
    }

    /// Stops the node, writes the queues of peers within the limit, and waits for the end.
    pub(crate) async fn stop(&self, within: Option<Duration>) -> ShutdownReport {
        if let Some(limit) = within {
            self.ending.set_limit(limit);
        }
        self.stop.cancel();
        self.stopped.cancelled().await;
        self.ending.report()
    }

    /// Accepts no more tasks, and waits for the running ones.
    pub(crate) async fn join(&self) {
        self.tasks.join().await;
    }

    /// Accepts no more tasks.
    pub(crate) fn close(&self) {
        self.tasks.close();
    }

    /// Marks the node as stopped.
    pub(crate) fn finish(&self) {
        self.stopped.cancel();
    }
}
