//! How a node begins to run and how it ends: told to, by the failure of a part of it, or with its runtime.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::Instrument;

use super::Inner;
use crate::deadline::Deadline;
use crate::lifecycle::Essential;
use crate::shard;

/// How long a task that was told to end may take.
const GRACE: Duration = Duration::from_secs(1);

impl Inner {
    /// Starts the shards, and the task that ends the node when it is to stop.
    pub(super) fn begin(self: &Arc<Self>) {
        let shards = (0..self.shards.count()).map(|index| {
            let essential = Essential::new(&self.life, format!("shard {index}"));
            let task = essential.run(shard::run(self.clone(), index));
            self.life.runtime.spawn(task.instrument(self.life.span()))
        });
        let shards = shards.collect();
        self.life.runtime.spawn(Finish(self.clone()).run(shards));
    }

    /// Waits for the stop and carries out the part that takes time.
    async fn end(&self, shards: Vec<JoinHandle<()>>) {
        self.life.stop.cancelled().await;
        let late = self.life.ending.deadline().plus(GRACE);
        let _ = late.bound(self.life.join()).await;
        self.shards.close();
        // A handler that blocks must not keep the others from their end. All have the same time.
        let late = Deadline::after(GRACE);
        for shard in shards {
            let _ = late.bound(shard).await;
        }
    }

    /// The rest of the end, which takes no time: whoever waits for something of this node waits no longer.
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

/// Ends the node: the one task that does. Dropped before, with its runtime, it does at once what takes no time.
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
