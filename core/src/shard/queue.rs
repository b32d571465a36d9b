//! The queue of one shard: many push, the shard's task takes all at once.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

use super::Item;

/// Items in a full chunk. A queue that grows by chunks copies nothing, and used ones come back still in the cache.
const CHUNK: usize = 256;

/// Empty chunks that are kept for later.
const SPARE: usize = 16;

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
    items: Chunks,
    spare: Vec<Vec<Item>>,
    /// Bytes that readers gave with `items`.
    bytes: usize,
    /// The shard's task, when it waits.
    waker: Option<Waker>,
    closed: bool,
}

/// Items in order: full chunks, then one that is being filled.
#[derive(Default)]
struct Chunks {
    full: VecDeque<Vec<Item>>,
    last: Vec<Item>,
}

/// What the shard has taken and works off.
#[derive(Default)]
pub(super) struct Taken {
    items: Chunks,
    emptied: Vec<Vec<Item>>,
    bytes: usize,
    /// No more items will come.
    pub(super) closed: bool,
}

impl Taken {
    /// The next items, to be drained and given back with [`empty`](Self::empty).
    pub(super) fn next_chunk(&mut self) -> Option<Vec<Item>> {
        let chunk = self.items.full.pop_front();
        chunk
            .or_else(|| (!self.items.last.is_empty()).then(|| std::mem::take(&mut self.items.last)))
    }

    /// Keeps the room of a drained chunk for later.
    pub(super) fn empty(&mut self, chunk: Vec<Item>) {
        if self.emptied.len() < SPARE {
            self.emptied.push(chunk);
        }
    }
}

impl State {
    #[inline]
    fn push(&mut self, item: Item) {
        let last = &mut self.items.last;
        if last.len() >= CHUNK {
            let next = self
                .spare
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(CHUNK));
            self.items.full.push_back(std::mem::replace(last, next));
        }
        self.items.last.push(item);
    }
}

impl Queue {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; a queue is consistent after every step anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(super) fn push(&self, item: Item) {
        let waker = {
            let mut state = self.lock();
            if !state.closed {
                state.push(item);
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
            items.drain(..).for_each(|item| state.push(item));
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

    /// Whether there is something to take.
    pub(super) fn has_items(&self) -> bool {
        let state = self.lock();
        !state.items.last.is_empty() || state.closed
    }

    /// Waits for items and takes all of them. `taken` must be worked off.
    pub(super) async fn take(&self, taken: &mut Taken) {
        poll_fn(|cx| {
            let mut state = self.lock();
            // The chunk that is being filled is empty only when there are no others.
            if state.items.last.is_empty() && !state.closed {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            state.spare.append(&mut taken.emptied);
            state.spare.truncate(SPARE);
            let next = state.spare.pop().unwrap_or_default();
            std::mem::swap(&mut state.items, &mut taken.items);
            state.items.last = next;
            taken.bytes = std::mem::take(&mut state.bytes);
            taken.closed = state.closed;
            Poll::Ready(())
        })
        .await;
    }

    /// The shard has worked off what it took.
    pub(super) fn done(&self, taken: &Taken) {
        if taken.bytes == 0 {
            return;
        }
        let before = self.backlog.fetch_sub(taken.bytes, Ordering::Relaxed);
        if before >= HIGH && before - taken.bytes < HIGH {
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
