//! `Tasks`: the tasks of a node, and the wait for their end.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// The running tasks of a node. Each holds a sender of a channel that carries nothing, which therefore ends with
/// the last of them.
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

    /// Runs `task`. False if the node has stopped, and with it everything it runs.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(running) = running else { return false };
        self.runtime.spawn(async move {
            task.await;
            drop(running);
        });
        true
    }

    /// Takes no more tasks, and waits for those there are. Who comes second does not wait.
    pub(super) async fn close(&self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
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

/// Runs `future` to its end, or to its panic.
pub(crate) async fn unwinding<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = Box::pin(future);
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        },
    )
    .await
}
