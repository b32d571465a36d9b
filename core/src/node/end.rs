//! How a node begins to run, and how it stops: on request, after the failure of a part, or with its runtime.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::Instrument;

use super::Inner;
use crate::deadline::Deadline;
use crate::lifecycle::Essential;
use crate::shard;

/// How long cancelled tasks may take to end.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

impl Inner {
    /// Starts the shards, and the task that shuts the node down when it is stopped.
    pub(super) fn begin(self: &Arc<Self>) {
        let shards = (0..self.shards.count()).map(|index| {
            let essential = Essential::new(&self.life, format!("shard {index}"));
            let task = essential.run(shard::run(self.clone(), index));
            self.life.runtime.spawn(task.instrument(self.life.span()))
        });
        let shards = shards.collect();
        self.life.runtime.spawn(Finish(self.clone()).run(shards));
    }

    /// Waits for the stop, then for the tasks of the node and the shards.
    async fn end(&self, shards: Vec<JoinHandle<()>>) {
        self.life.stop.cancelled().await;
        let deadline = self.life.ending.deadline().plus(GRACE_PERIOD);
        let _ = deadline.timeout(self.life.join()).await;
        self.shards.close();
        // One deadline for all shards, so that a handler that blocks does not delay the end of the others.
        let deadline = Deadline::after(GRACE_PERIOD);
        for shard in shards {
            let _ = deadline.timeout(shard).await;
        }
    }

    /// Releases everything that waits for this node. Does not wait.
    fn finish(&self) {
        self.life.close();
        self.shards.close();
        self.directory.close();
        self.network.clear();
        let events = self
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(events);
        self.life.finish();
    }
}

/// The task that shuts the node down. If the runtime drops the task, its destructor still performs the part that does not
/// wait.
struct Finish(Arc<Inner>);

impl Finish {
    async fn run(self, shards: Vec<JoinHandle<()>>) {
        self.0.end(shards).await;
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.life.abandon();
        self.0.finish();
    }
}
