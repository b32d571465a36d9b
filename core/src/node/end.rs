//! How a node begins to run and how it ends: told to, by the failure of a part of it, or with its runtime.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::Instrument;

use super::tasks::Essential;
use super::{Inner, Shutdown};
use crate::deadline::Deadline;
use crate::{Reason, shard};

/// How long a task that was told to end may take.
const GRACE: Duration = Duration::from_secs(1);

/// What a node says that has stopped.
const STOPPED: &str = "node stopped";

impl Inner {
    /// Starts the shards, and the task that ends the node when it is to stop.
    pub(super) fn begin(self: &Arc<Self>) {
        let shards = (0..self.shards.count()).map(|index| {
            let essential = Essential::new(self, format!("shard {index}"));
            let task = essential.run(shard::run(self.clone(), index));
            self.runtime.spawn(task.instrument(self.span()))
        });
        let shards = shards.collect();
        self.runtime.spawn(Finish(self.clone()).run(shards));
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
    pub(super) fn abandon(&self) {
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

    /// Waits for the stop and carries out the part that takes time.
    async fn end(&self, shards: Vec<JoinHandle<()>>) {
        self.stop.cancelled().await;
        let late = self.ending.deadline().plus(GRACE);
        let _ = late.bound(self.tasks.join()).await;
        self.shards.close();
        // A handler that blocks must not keep the others from their end. All have the same time.
        let late = Deadline::after(GRACE);
        for shard in shards {
            let _ = late.bound(shard).await;
        }
    }

    /// The rest of the end, which takes no time: whoever waits for something of this node waits no longer.
    fn finish(&self) {
        self.tasks.close();
        self.shards.close();
        self.directory.close();
        self.peers.clear();
        self.taps.close();
        let events = self
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(events);
        self.stopped.cancel();
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
        self.0.abandon();
        self.0.finish();
    }
}
