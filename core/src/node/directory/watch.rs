//! `FamilyWatch`: a family as it is and as it changes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use aemp_proto::directory::Change;
use futures_core::Stream;

use crate::Text;
use crate::node::Inner;

/// Follows a family: first all that is in it, then each change; made by
/// [`Directory::watch`](crate::Directory::watch). It is a [`Stream`] as well.
///
/// Changes that nobody has taken yet are merged, so a slow reader costs no more than the family's size and always ends
/// at the present. If the node loses the global node that tells it, there is silence, and afterwards one change with all
/// that is different then. The stream ends when the node stops.
pub struct FamilyWatch {
    node: Arc<Inner>,
    family: Text,
    feed: Option<Arc<Feed>>,
}

impl FamilyWatch {
    pub(super) fn new(node: &Arc<Inner>, family: Text) -> Self {
        let feed = Arc::default();
        node.directory.watch(node, &family, &feed);
        Self {
            node: node.clone(),
            family,
            feed: Some(feed),
        }
    }

    /// Which family.
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

    /// The change that is there already, if there is one.
    pub fn try_recv(&mut self) -> Option<Change> {
        self.feed.as_ref()?.lock().pending.take()
    }
}

impl Stream for FamilyWatch {
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

impl Drop for FamilyWatch {
    fn drop(&mut self) {
        self.feed = None;
        self.node.directory.unwatch(&self.node, &self.family);
    }
}

impl fmt::Debug for FamilyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FamilyWatch({})", self.family)
    }
}

/// What waits for one who follows a family.
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
