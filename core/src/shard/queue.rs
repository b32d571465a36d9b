//! The queue of one shard: many push, the shard's task takes all at once.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

use super::item::Chunk;
use super::owed::Owed;
use super::{Item, ShardStats};
use crate::watchdog::{make_way, soon};
use crate::{Message, PortName};

/// Empty chunks that are kept for later at most: memory fresh from the system costs more than the messages. When senders
/// are faster than the shard for a while, so many fill up.
const SPARE: usize = 1024;

/// Empty chunks that are kept for good. Of what is above, a part goes back to the system each time the shard sleeps.
const KEEP: usize = 32;

/// Bytes from one reader below which it does not wait for the shard, whatever others gave: who now and then asks something
/// is held up by nobody.
const FEW: usize = 64 << 10;

/// Bytes from one reader from which on it waits for the shard, until half of them are worked off.
const MANY: usize = 1 << 20;

/// Bytes from all readers from which on those wait that gave more than [`FEW`]. They go on when there is room for [`MANY`].
const HIGH: usize = 8 << 20;

/// Bytes from readers in a chunk to which no more is added. What is in a chunk is worked off as one.
const LARGE: usize = 256 << 10;

/// The queue of one shard.
///
/// Aligned to two cache lines, which is what processors fetch at a time: a sender writes to the queue for each message,
/// and a handler whose state shares a cache line with it is slowed by each write. One local port takes a message in
/// 24 ns instead of 42 ns where its state follows the queue on the heap; `benches/local`.
#[repr(align(128))]
pub(super) struct Queue {
    /// Held for a push or a swap, never while anything runs.
    state: Mutex<State>,
    /// Bytes that readers gave so far. Written under the lock.
    given: AtomicU64,
    /// How many of those the shard has worked off. Written by it alone.
    worked_off: AtomicU64,
    /// So many have to be worked off before the first of the readers that wait goes on.
    wanted: AtomicU64,
    /// As many are.
    progress: Notify,
    /// How much the shard has done. Written by it alone.
    done: AtomicU64,
}

/// No reader waits.
const NOBODY: u64 = u64::MAX;

#[derive(Default)]
struct State {
    items: Chunks,
    spare: Vec<Chunk>,
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
        true
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            given: AtomicU64::new(0),
            worked_off: AtomicU64::new(0),
            wanted: AtomicU64::new(NOBODY),
            progress: Notify::new(),
            done: AtomicU64::new(0),
        }
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

    /// Appends all of `items`, which keep about `bytes` bytes alive, and says how many bytes are worked off once these are;
    /// `None` if the queue is closed.
    pub(super) fn append(&self, items: &mut Chunk, bytes: usize) -> Option<u64> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            items.clear();
            return None;
        }
        let end = self.given.load(Ordering::Relaxed) + bytes as u64;
        self.given.store(end, Ordering::Relaxed);
        let last = &state.items.last;
        let mut late = false;
        if last.is_empty() {
            std::mem::swap(&mut state.items.last, items);
        } else if items.is_batch() || last.is_full() || last.given >= LARGE {
            late = state.turn();
            std::mem::swap(&mut state.items.last, items);
        } else {
            state.items.last.append(items);
        }
        state.items.last.given += bytes;
        if late || state.waker.is_some() {
            Self::wake(state, late);
        }
        Some(end)
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
        self.progress.notify_waiters();
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
            backlog: self.backlog(),
        }
    }

    /// Bytes that readers gave and the shard has not worked off.
    fn backlog(&self) -> usize {
        // In this order: what is worked off was given before.
        let worked_off = self.worked_off.load(Ordering::Acquire);
        (self.given.load(Ordering::Relaxed) - worked_off) as usize
    }

    /// The shard has worked off a chunk: `count` things, for which readers gave `bytes`.
    pub(super) fn done(&self, count: usize, bytes: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
        if bytes == 0 {
            return;
        }
        // A reader writes what it waits for and then reads what is worked off, so one of the two sees the other's.
        let before = self.worked_off.fetch_add(bytes as u64, Ordering::SeqCst);
        if before + bytes as u64 >= self.wanted.load(Ordering::SeqCst) {
            self.wanted.store(NOBODY, Ordering::SeqCst);
            self.progress.notify_waiters();
        }
    }

    /// Whether a reader to which the shard owes this may give it more.
    #[inline]
    pub(super) fn is_ready(&self, owed: &mut Owed) -> bool {
        if owed.bytes() == 0 {
            return true;
        }
        owed.settle(self.worked_off.load(Ordering::Acquire));
        owed.bytes() < FEW || owed.bytes() < MANY && self.backlog() < HIGH
    }

    /// Waits until it may.
    pub(super) async fn ready(&self, owed: &mut Owed) {
        if self.is_ready(owed) {
            return;
        }
        let (few, half) = (owed.until_below(FEW), owed.until_below(MANY / 2));
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            // Who is enabled is notified, even if it has just put its mark into `wanted` when that is emptied.
            progress.as_mut().enable();
            let given = self.given.load(Ordering::Relaxed);
            let low = (given + 1).saturating_sub((HIGH - MANY) as u64);
            let wanted = few.min(half.max(low));
            self.wanted.fetch_min(wanted, Ordering::SeqCst);
            if self.worked_off.load(Ordering::SeqCst) >= wanted || self.lock().closed {
                return;
            }
            progress.await;
        }
    }
}
