//! `Watch`: the content of a family and its changes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use aemp_proto::directory::Change;
use futures_core::Stream;

use crate::Text;
use crate::node::Inner;

/// Watches a family: yields its content first, then each change; created by
/// [`Directory::watch`](crate::Directory::watch). It implements [`Stream`].
///
/// Pending changes are merged, so a slow reader costs no more memory than the family's size, and always gets the current
/// state. If the node loses its global node, no change arrives until it has one again; then one change holds all
/// differences. The stream ends when the node stops.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = aemp::node().id("shop").start().await?;
/// let printer = node.port(|_, _| ());
/// let mut printers = node.directory().watch("printers")?;
/// assert!(printers.recv().await.expect("the node runs").snapshot);
///
/// let entry = node.directory().register("printers", &printer, "on floor 2")?;
/// let change = printers.recv().await.expect("the node runs");
/// assert_eq!(change.set.len(), 1);
/// # drop(entry);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "FamilyWatch")]
pub struct Watch {
    node: Arc<Inner>,
    family: Text,
    feed: Option<Arc<Feed>>,
}

impl Watch {
    pub(super) fn new(node: &Arc<Inner>, family: Text) -> Self {
        let feed = Arc::default();
        node.directory.watch(node, &family, &feed);
        Self {
            node: node.clone(),
            family,
            feed: Some(feed),
        }
    }

    /// The name of the family.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// The next change; `None` when the node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future loses no change.
    pub async fn recv(&mut self) -> Option<Change> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The pending change, if there is one. Does not wait.
    pub fn try_recv(&mut self) -> Option<Change> {
        self.feed.as_ref()?.lock().pending.take()
    }
}

impl Stream for Watch {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        let Some(feed) = &self.feed else {
            return Poll::Ready(None);
        };
        let mut waiting = feed.lock();
        if let Some(change) = waiting.pending.take() {
            return Poll::Ready(Some(change));
        }
        if waiting.closed {
            return Poll::Ready(None);
        }
        waiting.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed = None;
        self.node.directory.unwatch(&self.node, &self.family);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.family)
    }
}

/// The pending change of one [`Watch`].
#[derive(Default)]
pub(super) struct Feed(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    pending: Option<Change>,
    waker: Option<Waker>,
    closed: bool,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, change: Change) {
        let mut waiting = self.lock();
        match &mut waiting.pending {
            Some(pending) => pending.merge(change),
            none => *none = Some(change),
        }
        wake(waiting);
    }

    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        wake(waiting);
    }
}

fn wake(mut waiting: MutexGuard<'_, Waiting>) {
    let waker = waiting.waker.take();
    drop(waiting);
    if let Some(waker) = waker {
        waker.wake();
    }
}
