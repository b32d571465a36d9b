//! `Lifecycle`: the tasks of a node, and its end: told to, by the failure of a part of it, or with its runtime.

mod ending;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{NodeId, Reason};

pub(crate) use ending::Ending;
pub use ending::Shutdown;
pub(crate) use tasks::Essential;
use tasks::Tasks;

/// What a node says that has stopped.
const STOPPED: &str = "node stopped";

/// Shared by everything that runs for one node.
pub(crate) struct Lifecycle {
    id: NodeId,
    pub(crate) runtime: Handle,
    /// Set when the node is to stop.
    pub(crate) stop: CancellationToken,
    /// How it stops.
    pub(crate) ending: Ending,
    /// Set when it has stopped.
    stopped: CancellationToken,
    /// Links, listeners and connectors; the node has stopped when they have.
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

    /// Around all that runs for this node: a process may have several. It stands in no other, or a task that a task of the
    /// node starts would be in it twice.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!(target: "aemp::node", parent: None, "node", id = %self.id)
    }

    /// Runs `task` for the node, which has stopped when it has ended. False if it has stopped already.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.tasks.spawn(task.instrument(self.span()))
    }

    /// The same for a task whose unexpected end stops the node.
    pub(crate) fn spawn_essential(
        self: &Arc<Self>,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> bool {
        self.spawn(Essential::new(self, name.into()).run(task))
    }

    /// Stops the node because a part of it has failed, as `why` says. One that stops already goes on with that.
    pub(crate) fn fail(&self, why: String) {
        if !self.stop.is_cancelled() {
            self.ending.failed(why.clone());
            self.stop.cancel();
            tracing::error!(target: "aemp::node", node = %self.id, "the node stops: {why}");
        }
    }

    /// Stops the node because its runtime is dropped, which is the program's own doing, and often its end.
    pub(crate) fn abandon(&self) {
        if !self.stop.is_cancelled() {
            self.ending.failed(String::from("its runtime was dropped"));
            self.stop.cancel();
            tracing::info!(target: "aemp::node", node = %self.id, "the node stops with its runtime");
        }
    }

    /// Why the ports of a node have died that has stopped.
    pub(crate) fn stopped_reason(&self) -> Reason {
        Reason::transport_error(&self.id, STOPPED)
    }

    /// Stops the node: what is queued for peers may go out for so long, then everything ends.
    pub(crate) async fn stop(&self, within: Option<Duration>) -> Shutdown {
        if let Some(limit) = within {
            self.ending.within(limit);
        }
        self.stop.cancel();
        self.stopped.cancelled().await;
        self.ending.report()
    }

    /// Takes no more tasks, and waits for those there are.
    pub(crate) async fn join(&self) {
        self.tasks.join().await;
    }

    /// Takes no more tasks.
    pub(crate) fn close(&self) {
        self.tasks.close();
    }

    /// The node has stopped.
    pub(crate) fn finish(&self) {
        self.stopped.cancel();
    }
}
