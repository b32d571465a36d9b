//! `Tasks`: the tasks of a node, and the wait for their end. `Essential`: stops the node when an essential task ends
//! unexpectedly.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Lifecycle;
use crate::Excerpt;
use crate::guard;

/// The running tasks of a node. Each holds a sender of an empty channel, so the channel is closed when the last task
/// ends.
pub(crate) struct Tasks {
    runtime: Handle,
    running: Mutex<Option<mpsc::Sender<()>>>,
    ended: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Tasks {
    pub(super) fn new(runtime: Handle) -> Self {
        let (running, ended) = mpsc::channel(1);
        Self {
            runtime,
            running: Mutex::new(Some(running)),
            ended: Mutex::new(Some(ended)),
        }
    }

    /// Spawns `task`, and logs its panic. Returns false if the node has stopped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(running) = running else { return false };
        let task = guard::complete(task);
        self.runtime.spawn(async move {
            if let Err(panic) = task.await {
                tracing::error!(target: "aemp::node", panic = %Excerpt(&panic), "a task of this node panicked");
            }
            drop(running);
        });
        true
    }

    /// Accepts no more tasks.
    pub(super) fn close(&self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Accepts no more tasks, and waits for the running ones. A second caller does not wait.
    pub(super) async fn join(&self) {
        self.close();
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut ended) = ended {
            ended.recv().await;
        }
    }
}

/// Stops the node if its task panics or is dropped before its end: without a shard, a listener, a seed or the directory
/// a node would receive nothing, and nothing would report it.
pub(crate) struct Essential {
    node: Weak<Lifecycle>,
    /// The name of the task, for the log.
    task: String,
    ended: bool,
}

impl Essential {
    pub(crate) fn new(node: &Arc<Lifecycle>, task: String) -> Self {
        Self {
            node: Arc::downgrade(node),
            task,
            ended: false,
        }
    }

    /// Runs `task` to its end.
    pub(crate) async fn run(mut self, task: impl Future<Output = ()>) {
        let outcome = guard::complete(task).await;
        self.ended = true;
        if let (Err(panic), Some(node)) = (outcome, self.node.upgrade()) {
            node.fail(format!("{} panicked: {panic}", self.task));
        }
    }
}

impl Drop for Essential {
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade()
            && !self.ended
        {
            node.abandon();
        }
    }
}
