//! The queue of one shard: many senders push items, and the shard's task takes all of them at once.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use aemp_proto::faulty;
use aemp_proto::map::HashSet;
use aemp_proto::message::cost_of_message;
use tokio::sync::Notify;

use super::item::{CHUNK_ITEMS, Chunk};
use super::local::Room;
use super::outstanding::Outstanding;
use super::taken::{Chunks, MAX_SPARE, Taken};
use super::{Item, NoRoom, Op, ShardStats};
use crate::message::IntoMessage;
use crate::trace::TraceContext;
use crate::watchdog::{clear_lifo_slot, defer_wake};
use crate::{Message, PortName};

/// Spare chunks that are never freed. An eighth of the others is freed each time the shard sleeps.
const MIN_SPARE: usize = 32;

/// Low-water mark of a reader, in bytes. Below it the reader does not wait, whatever the backlog of the shard: a peer
/// with occasional requests is not delayed by others.
const READER_LOW_WATER: usize = 64 << 10;

/// High-water mark of a reader, in bytes. From it on the reader waits until half of them are processed.
const READER_HIGH_WATER: usize = 1 << 20;

/// High-water mark of a shard, in bytes from all readers. From it on every reader above [`READER_LOW_WATER`] waits,
/// until the backlog is [`READER_HIGH_WATER`] bytes lower.
const SHARD_HIGH_WATER: usize = 8 << 20;

/// Operations in a chunk to which no further [`Op::NoRoom`] is added. A chunk is processed without a yield.
const MAX_WITHOUT_ROOM: usize = 2 * CHUNK_ITEMS;

/// Bytes from readers in a chunk from which on no batch is added. A chunk is processed without a yield.
const MAX_CHUNK_BACKLOG: usize = 256 << 10;

/// The queue of one shard.
///
/// Aligned to two cache lines, which processors fetch together: a sender writes to the queue for each message, and each
/// write slows a handler whose state shares a cache line with the queue. One local port takes a message in 24 ns instead
/// of 42 ns where its state follows the queue on the heap; `benches/local`.
#[repr(align(128))]
pub(super) struct Queue {
    /// Locked for a push or a swap, never while a handler runs.
    state: Mutex<State>,
    /// Bytes that readers have pushed so far. Written under the lock.
    pushed: AtomicU64,
    /// How many of those the shard has processed. Written by the shard alone.
    processed: AtomicU64,
    /// The value of `processed` at which waiting readers are notified; [`NO_READER`] if no reader waits.
    notify_at: AtomicU64,
    /// Notified when `processed` has reached that value.
    progress: Notify,
    /// Operations that the shard has done. Written by the shard alone.
    done: AtomicU64,
    /// Bytes of messages from senders of this node in full chunks that the shard has not processed. Senders count when a
    /// chunk is full, so that a message costs no atomic operation.
    local: AtomicUsize,
    /// Notified when `local` has fallen below the high-water mark.
    lowered: Notify,
}

/// Why an item was not queued.
enum Refused<T> {
    /// The queue is closed.
    Closed(T),
    /// Too much waits for the ports of this node.
    NoRoom(T),
}

/// No reader waits.
const NO_READER: u64 = u64::MAX;

#[derive(Default)]
struct State {
    items: Chunks,
    spare: Vec<Chunk>,
    /// The waker of the shard's task while it waits.
    waker: Option<Waker>,
    /// The shard was woken and has not taken items since.
    woken: bool,
    closed: bool,
    /// Whether a message has to ask for room although the last chunk is not full: something else has begun it.
    asks: bool,
    /// The ports for which an [`Op::NoRoom`] is among the items.
    without_room: HashSet<PortName>,
}

impl<T> Refused<T> {
    /// Drops a message, after the lock is released. It is no error that the queue is closed.
    #[cold]
    fn drop(self) -> Result<(), NoRoom> {
        match self {
            Self::Closed(message) => drop(message),
            Self::NoRoom(message) => {
                drop(message);
                return Err(NoRoom);
            }
        }
        Ok(())
    }
}

impl State {
    /// Completes the chunk that is being filled and begins the next. Returns whether the shard was woken and has still
    /// not taken items.
    #[cold]
    fn complete_last(&mut self, local: &AtomicUsize) -> bool {
        self.asks = true;
        let last = &mut self.items.last;
        last.counted = last.local();
        if last.counted > 0 {
            local.fetch_add(last.counted, Ordering::SeqCst);
        }
        let spare = self.spare.pop();
        let next = spare.unwrap_or_else(|| Chunk::with_capacity_of(&self.items.last));
        let full = std::mem::replace(&mut self.items.last, next);
        self.items.full.push_back(full);
        std::mem::take(&mut self.woken)
    }

    /// Removes an eighth of the spare chunks above [`MIN_SPARE`], so that a burst does not hold memory for good.
    fn split_off_unused(&mut self) -> Vec<Chunk> {
        let spare = self.spare.len();
        self.spare
            .split_off(spare - spare.saturating_sub(MIN_SPARE) / 8)
    }

    /// Moves all items to `taken`. Returns false if there are none.
    fn move_to(&mut self, taken: &mut Taken) -> bool {
        taken.closed = self.closed;
        self.woken = false;
        self.without_room.clear();
        // The last chunk is empty only if there are no full ones.
        if self.items.last.is_empty() {
            return false;
        }
        self.spare.append(&mut taken.recycled);
        self.spare.truncate(MAX_SPARE);
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
            pushed: AtomicU64::new(0),
            processed: AtomicU64::new(0),
            notify_at: AtomicU64::new(NO_READER),
            progress: Notify::new(),
            done: AtomicU64::new(0),
            local: AtomicUsize::new(0),
            lowered: Notify::new(),
        }
    }
}

impl Queue {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics under this lock, and the queue is consistent after every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the item if the queue is closed: dropping it may run user code.
    pub(super) fn push(&self, item: Item) -> Option<Item> {
        let mut state = self.lock();
        if state.closed {
            return Some(item);
        }
        if matches!(item.op, Op::Insert(_)) {
            // A new port of that name: what it misses is not what the one before has missed.
            state.without_room.remove(&item.port);
        }
        let is_behind = state.items.last.is_full() && state.complete_last(&self.local);
        state.items.last.push(item);
        if is_behind || state.waker.is_some() {
            Self::wake(state, is_behind);
        }
        None
    }

    /// Queues a message of a sender of this node. Where the last chunk is full, `has_room` says whether another may follow.
    #[inline]
    pub(super) fn deliver(
        &self,
        port: &PortName,
        message: Message,
        has_room: impl FnOnce() -> Room,
    ) -> Result<(), NoRoom> {
        let cost = cost_of_message(&message);
        let added = self.add(message, has_room, |chunk, message| {
            chunk.local += cost;
            chunk.deliver(port, message);
        });
        added.or_else(Refused::drop)
    }

    /// The same for a message that belongs to a trace.
    pub(super) fn deliver_traced(
        &self,
        port: &PortName,
        message: Message,
        context: Box<TraceContext>,
        has_room: impl FnOnce() -> Room,
    ) -> Result<(), NoRoom> {
        let cost = cost_of_message(&message) + context.memory();
        let traced = (message, context);
        let added = self.add(traced, has_room, |chunk, (message, context)| {
            chunk.local += cost;
            chunk.enter(port, context);
            chunk.deliver(port, message);
            chunk.exit();
        });
        added.or_else(Refused::drop)
    }

    /// The same for a message that moves as the value that it is, and may belong to a trace.
    #[inline]
    pub(super) fn deliver_moved<M>(
        &self,
        port: &PortName,
        message: M,
        context: Option<Box<TraceContext>>,
        has_room: impl FnOnce() -> Room,
    ) -> Result<(), NoRoom>
    where
        M: IntoMessage + Send + 'static,
    {
        let added = self.add(message, has_room, |chunk, message| {
            let is_traced = context.is_some();
            if let Some(context) = context {
                chunk.local += context.memory();
                chunk.enter(port, context);
            }
            chunk.deliver_moved(port, message);
            if is_traced {
                chunk.exit();
            }
        });
        added.or_else(Refused::drop)
    }

    #[inline]
    fn add<T>(
        &self,
        item: T,
        has_room: impl FnOnce() -> Room,
        add: impl FnOnce(&mut Chunk, T),
    ) -> Result<(), Refused<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed(item));
        }
        let mut is_behind = false;
        if state.items.last.is_full() || state.asks {
            let room = has_room();
            if room == Room::None {
                return Err(Refused::NoRoom(item));
            }
            if state.items.last.is_full() {
                is_behind = state.complete_last(&self.local);
            }
            state.asks = room == Room::ForThis;
        }
        add(&mut state.items.last, item);
        if is_behind || state.waker.is_some() {
            Self::wake(state, is_behind);
        }
        Ok(())
    }

    /// Has `port` killed, for which a message found no room. What is queued for it from now on is behind that, so it gets
    /// nothing after the message that it has missed. Returns false if that is in the queue already.
    #[cold]
    pub(super) fn kill_without_room(&self, port: &PortName) -> bool {
        let mut state = self.lock();
        if state.closed || !state.without_room.insert(port.clone()) {
            return false;
        }
        // It makes no room for messages, but for where many ports miss one.
        let is_behind =
            state.items.last.len() >= MAX_WITHOUT_ROOM && state.complete_last(&self.local);
        state.items.last.push(Item::new(port.clone(), Op::NoRoom));
        if is_behind || state.waker.is_some() {
            Self::wake(state, is_behind);
        }
        true
    }

    #[cold]
    fn wake(mut state: MutexGuard<'_, State>, is_behind: bool) {
        let waker = state.waker.take();
        state.woken |= waker.is_some();
        drop(state);
        if let Some(waker) = waker {
            defer_wake(waker);
        }
        if is_behind {
            clear_lifo_slot();
        }
    }

    /// Appends all of `items`, which keep about `bytes` bytes alive. Returns the count of processed bytes at which
    /// these are processed; `None` if the queue is closed.
    pub(super) fn append(&self, items: &mut Chunk, bytes: usize) -> Option<u64> {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            items.clear();
            return None;
        }
        let end = self.pushed.load(Ordering::Relaxed) + bytes as u64;
        self.pushed.store(end, Ordering::Relaxed);
        let last = &state.items.last;
        let mut is_behind = false;
        if last.is_empty() {
            std::mem::swap(&mut state.items.last, items);
        } else if items.is_batch() || last.is_full() || last.pushed >= MAX_CHUNK_BACKLOG {
            is_behind = state.complete_last(&self.local);
            std::mem::swap(&mut state.items.last, items);
        } else {
            state.items.last.append(items);
        }
        state.items.last.pushed += bytes;
        if is_behind || state.waker.is_some() {
            Self::wake(state, is_behind);
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

    /// Closes the queue and moves its items to `taken`.
    pub(super) fn close_and_take(&self, taken: &mut Taken) {
        self.close();
        let mut state = self.lock();
        state.move_to(taken);
        let spare = std::mem::take(&mut state.spare);
        drop(state);
        drop(spare);
    }

    /// Takes all items. Returns false when the queue is empty or another thread holds its lock. `taken` must be empty.
    pub(super) fn try_take(&self, taken: &mut Taken) -> bool {
        match self.state.try_lock() {
            Ok(mut state) => state.move_to(taken),
            // A sender holds the lock, or it is poisoned, which `take` handles.
            Err(_) => false,
        }
    }

    /// Waits for items and takes all of them. `taken` must be empty.
    pub(super) async fn take(&self, taken: &mut Taken) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.move_to(taken) || taken.closed {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            let freed = state.split_off_unused();
            drop(state);
            drop(freed);
            Poll::Pending
        })
        .await;
    }

    /// The statistics of the shard, which is at the step `steps`.
    pub(super) fn stats(&self, steps: u64) -> ShardStats {
        let state = self.lock();
        let queued = state.items.len();
        let local_backlog = self.local() + state.items.last.local();
        drop(state);
        ShardStats {
            processed: self.done.load(Ordering::Relaxed),
            steps,
            queued,
            backlog: self.backlog(),
            local_backlog,
        }
    }

    /// Bytes of messages from senders of this node in full chunks.
    pub(super) fn local(&self) -> usize {
        self.local.load(Ordering::SeqCst)
    }

    /// Notified when fewer than the high-water mark of them are left.
    pub(super) fn lowered(&self) -> &Notify {
        &self.lowered
    }

    /// The shard has processed a chunk for which senders of this node have counted so many bytes.
    pub(super) fn local_done(&self, bytes: usize, high_water: usize) {
        let before = self.local.fetch_sub(bytes, Ordering::SeqCst);
        if before >= high_water && before - bytes < high_water {
            self.lowered.notify_waiters();
        }
    }

    /// Bytes that readers have pushed and the shard has not processed.
    fn backlog(&self) -> usize {
        // In this order, so that the difference is not negative: bytes are pushed before they are processed.
        let processed = self.processed.load(Ordering::Acquire);
        (self.pushed.load(Ordering::Relaxed) - processed) as usize
    }

    /// The shard has processed a chunk of `count` operations, for which readers counted `bytes`.
    pub(super) fn done(&self, count: usize, bytes: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
        if bytes == 0 {
            return;
        }
        // A reader stores `notify_at` and then loads `processed`; here it is the reverse. With SeqCst one of the two
        // sees the other's store, so no wake is lost.
        let before = self.processed.fetch_add(bytes as u64, Ordering::SeqCst);
        if before + bytes as u64 >= self.notify_at.load(Ordering::SeqCst) {
            self.notify_at.store(NO_READER, Ordering::SeqCst);
            self.progress.notify_waiters();
        }
    }

    /// Whether a reader with these outstanding bytes may push more.
    #[inline]
    pub(super) fn is_ready(&self, outstanding: &mut Outstanding) -> bool {
        if outstanding.bytes() == 0 {
            return true;
        }
        outstanding.settle(self.processed.load(Ordering::Acquire));
        outstanding.bytes() < READER_LOW_WATER
            || outstanding.bytes() < READER_HIGH_WATER && self.backlog() < SHARD_HIGH_WATER
            || faulty!(ReaderUnheld)
    }

    /// Waits until [`is_ready`](Self::is_ready) holds.
    pub(super) async fn ready(&self, outstanding: &mut Outstanding) {
        if self.is_ready(outstanding) {
            return;
        }
        let (below_low, below_half) = (
            outstanding.until_below(READER_LOW_WATER),
            outstanding.until_below(READER_HIGH_WATER / 2),
        );
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            // Enabled before `notify_at` is stored, so that the notification is not missed if `done` resets `notify_at`
            // in between.
            progress.as_mut().enable();
            let pushed = self.pushed.load(Ordering::Relaxed);
            let backlog_low =
                (pushed + 1).saturating_sub((SHARD_HIGH_WATER - READER_HIGH_WATER) as u64);
            let notify_at = below_low.min(below_half.max(backlog_low));
            self.notify_at.fetch_min(notify_at, Ordering::SeqCst);
            if self.processed.load(Ordering::SeqCst) >= notify_at || self.lock().closed {
                return;
            }
            progress.await;
        }
    }
}
