//! The queue of one shard: many push, the shard's task takes all at once.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

use super::Item;

/// Bytes from readers above which they wait for the shard.
const HIGH: usize = 8 << 20;

#[derive(Default)]
pub(super) struct Queue {
    /// Held for a push or a swap, never while anything runs.
    state: Mutex<State>,
    /// Bytes that readers gave and the shard has not worked off.
    backlog: AtomicUsize,
    worked_off: Notify,
}

#[derive(Default)]
struct State {
    items: Vec<Item>,
    /// Bytes that readers gave with `items`.
    bytes: usize,
    /// The shard's task, when it waits.
    waker: Option<Waker>,
    closed: bool,
}

/// What the shard takes: the number of bytes is to be given back to [`Queue::done`].
pub(super) struct Taken {
    pub(super) bytes: usize,
    pub(super) closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; a queue is consistent after every step anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, item: Item) {
        let waker = {
            let mut state = self.lock();
            if !state.closed {
                state.items.push(item);
            }
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Appends all of `items`, which keep about `bytes` bytes alive.
    pub(super) fn append(&self, items: &mut Vec<Item>, bytes: usize) {
        if items.is_empty() {
            return;
        }
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
        let waker = {
            let mut state = self.lock();
            if state.closed {
                items.clear();
            }
            state.items.append(items);
            state.bytes += bytes;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn close(&self) {
        let waker = {
            let mut state = self.lock();
            state.closed = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.worked_off.notify_waiters();
    }

    /// Waits for items and swaps them into `batch`, which must be empty.
    pub(super) async fn take(&self, batch: &mut Vec<Item>) -> Taken {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.items.is_empty() && !state.closed {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            std::mem::swap(&mut state.items, batch);
            let bytes = std::mem::take(&mut state.bytes);
            Poll::Ready(Taken {
                bytes,
                closed: state.closed,
            })
        })
        .await
    }

    /// The shard has worked off what it took.
    pub(super) fn done(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let before = self.backlog.fetch_sub(bytes, Ordering::Relaxed);
        if before >= HIGH && before - bytes < HIGH {
            self.worked_off.notify_waiters();
        }
    }

    /// Waits until the backlog from readers is below its limit.
    pub(super) async fn ready(&self) {
        while self.backlog.load(Ordering::Relaxed) >= HIGH {
            let notified = self.worked_off.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.backlog.load(Ordering::Relaxed) < HIGH || self.lock().closed {
                return;
            }
            notified.await;
        }
    }
}
