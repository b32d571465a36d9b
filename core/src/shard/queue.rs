//! The queue of one shard: many push, the shard's task takes all at once.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

use super::Item;
use super::item::Chunk;
use crate::node::ShardStats;
use crate::runtime::make_way;
use crate::watchdog::soon;
use crate::{Message, PortName};

/// Empty chunks that are kept for later at most: memory fresh from the system costs more than the messages. When senders
/// are faster than the shard for a while, so many fill up.
const SPARE: usize = 1024;

/// Empty chunks that are kept for good. Of what is above, a part goes back to the system each time the shard sleeps.
const KEEP: usize = 32;

/// Bytes from readers above which they wait for the shard.
const HIGH: usize = 8 << 20;

#[derive(Default)]
pub(super) struct Queue {
    /// Held for a push or a swap, never while anything runs.
    state: Mutex<State>,
    /// Bytes that readers gave and the shard has not worked off.
    backlog: AtomicUsize,
    worked_off: Notify,
    /// How much the shard has done. Written by it alone.
    done: AtomicU64,
}

#[derive(Default)]
struct State {
    items: Chunks,
    spare: Vec<Chunk>,
    /// Bytes that readers gave with `items`.
    bytes: usize,
    /// The shard's task, when it waits.
    waker: Option<Waker>,
    /// The shard was woken, and has not come.
    awaited: bool,
    closed: bool,
}

/// Items in order: full chunks, then one that is being filled.
#[derive(Default)]
struct Chunks {
    full: VecDeque<Chunk>,
    last: Chunk,
}

/// What the shard has taken and works off.
#[derive(Default)]
pub(super) struct Taken {
    items: Chunks,
    emptied: Vec<Chunk>,
    bytes: usize,
    /// What a panic of the shard has left of a chunk.
    pub(super) left: Vec<Item>,
    /// No more items will come.
    pub(super) closed: bool,
}

impl Chunks {
    fn len(&self) -> usize {
        let full = self.full.iter().map(Chunk::len);
        full.sum::<usize>() + self.last.len()
    }
}

impl Taken {
    /// The next items, to be drained and given back with [`empty`](Self::empty).
    pub(super) fn next_chunk(&mut self) -> Option<Chunk> {
        let chunk = self.items.full.pop_front();
        chunk
            .or_else(|| (!self.items.last.is_empty()).then(|| std::mem::take(&mut self.items.last)))
    }

    /// All items that are not worked off.
    pub(super) fn all(&mut self) -> Vec<Item> {
        let mut all = std::mem::take(&mut self.left);
        while let Some(mut chunk) = self.next_chunk() {
            all.append(&mut chunk.items);
        }
        all
    }

    /// Keeps the room of a drained chunk for later.
    pub(super) fn empty(&mut self, chunk: Chunk) {
        if self.emptied.len() < SPARE {
            self.emptied.push(chunk);
        }
    }
}

impl State {
    /// Closes the chunk that is being filled. Whether the shard was woken and has still not come.
    #[cold]
    fn turn(&mut self) -> bool {
        let spare = self.spare.pop();
        let next = spare.unwrap_or_else(|| Chunk::like(&self.items.last));
        let full = std::mem::replace(&mut self.items.last, next);
        self.items.full.push_back(full);
        std::mem::take(&mut self.awaited)
    }

    /// Some of the empty chunks that were needed once and may not be again.
    fn unused(&mut self) -> Vec<Chunk> {
        let spare = self.spare.len();
        self.spare.split_off(spare - spare.saturating_sub(KEEP) / 8)
    }

    /// Hands all items over, if there are any.
    fn give(&mut self, taken: &mut Taken) -> bool {
        taken.closed = self.closed;
        self.awaited = false;
        // The chunk that is being filled is empty only when there are no others.
        if self.items.last.is_empty() {
            return false;
        }
        self.spare.append(&mut taken.emptied);
        self.spare.truncate(SPARE);
        let next = self.spare.pop().unwrap_or_default();
        std::mem::swap(&mut self.items, &mut taken.items);
        self.items.last = next;
        taken.bytes = std::mem::take(&mut self.bytes);
        true
    }
}

impl Queue {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; a queue is consistent after every step anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the item back if the queue is closed: what is in it may be user code to drop.
    pub(super) fn push(&self, item: Item) -> Option<Item> {
        self.add(item, Chunk::push)
    }

    #[inline]
    pub(super) fn deliver(&self, port: &PortName, message: Message) {
        // A closed queue gives it back, and the lock is let go.
        self.add(message, |chunk, message| chunk.deliver(port, message));
    }

    #[inline]
    fn add<T>(&self, what: T, add: impl FnOnce(&mut Chunk, T)) -> Option<T> {
        let mut state = self.lock();
        if state.closed {
            return Some(what);
        }
        let late = state.items.last.is_full() && state.turn();
        add(&mut state.items.last, what);
        if late || state.waker.is_some() {
            Self::wake(state, late);
        }
        None
    }

    #[cold]
    fn wake(mut state: MutexGuard<'_, State>, late: bool) {
        let waker = state.waker.take();
        state.awaited |= waker.is_some();
        drop(state);
        if let Some(waker) = waker {
            soon(waker);
        }
        if late {
            make_way();
        }
    }

    /// Appends all of `items`, which keep about `bytes` bytes alive.
    pub(super) fn append(&self, items: &mut Chunk, bytes: usize) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            items.clear();
            return;
        }
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
        state.bytes += bytes;
        let mut late = false;
        if state.items.last.is_empty() {
            std::mem::swap(&mut state.items.last, items);
        } else if items.is_batch() || state.items.last.is_full() {
            late = state.turn();
            std::mem::swap(&mut state.items.last, items);
        } else {
            state.items.last.append(items);
        }
        if late || state.waker.is_some() {
            Self::wake(state, late);
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

    /// Closes the queue, and hands over what is in it.
    pub(super) fn end(&self, taken: &mut Taken) {
        self.close();
        let mut state = self.lock();
        state.give(taken);
        let spare = std::mem::take(&mut state.spare);
        drop(state);
        drop(spare);
    }

    /// Takes all items if there are any and nobody is just adding one. `taken` must be worked off.
    pub(super) fn try_take(&self, taken: &mut Taken) -> bool {
        match self.state.try_lock() {
            Ok(mut state) => state.give(taken),
            // A sender is at it, or a step panicked: `take` sorts that out.
            Err(_) => false,
        }
    }

    /// Waits for items and takes all of them. `taken` must be worked off.
    pub(super) async fn take(&self, taken: &mut Taken) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.give(taken) || taken.closed {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            let unused = state.unused();
            drop(state);
            drop(unused);
            Poll::Pending
        })
        .await;
    }

    pub(super) fn stats(&self) -> ShardStats {
        let queued = self.lock().items.len();
        ShardStats {
            done: self.done.load(Ordering::Relaxed),
            queued,
            backlog: self.backlog.load(Ordering::Relaxed),
        }
    }

    /// The shard has worked off what it took, which were `count` things.
    pub(super) fn done(&self, taken: &mut Taken, count: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
        let bytes = std::mem::take(&mut taken.bytes);
        if bytes == 0 {
            return;
        }
        let before = self.backlog.fetch_sub(bytes, Ordering::Relaxed);
        if before >= HIGH && before - bytes < HIGH {
            self.worked_off.notify_waiters();
        }
    }

    /// Whether the backlog from readers is below its limit.
    pub(super) fn is_ready(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) < HIGH
    }

    /// Waits until the backlog from readers is below its limit.
    pub(super) async fn ready(&self) {
        while !self.is_ready() {
            let notified = self.worked_off.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.is_ready() || self.lock().closed {
                return;
            }
            notified.await;
        }
    }
}
