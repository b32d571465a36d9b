//! The watchdog: keeps a node responsive while a handler blocks, and logs the name of the handler.
//!
//! One thread of the runtime at a time drives I/O and timers. It then runs the tasks that it has woken, and wakes no
//! other thread to take over the drivers. If one of those tasks is a shard whose handler blocks, no thread drives I/O
//! and timers, and the whole node is unresponsive. A task that the handler has woken is stuck as well, because the
//! runtime keeps it in the LIFO slot of that thread.
//!
//! So one thread of the process checks all shards every [`CHECK_INTERVAL`] while they work. If a shard is still in the
//! chunk of the last check, the watchdog wakes another thread of the runtime, and the task that the handler has woken
//! last: shards defer that wake until the chunk is done (see [`defer_wake`]), as the runtime does. It also wakes the
//! tasks that have yielded on the blocked thread, so that other threads run them.
//!
//! It cannot help a single-threaded runtime, or one whose threads are all blocked.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::runtime::{is_multi_thread, wake_yielded};
use crate::{Excerpt, NodeId, guard};

/// Interval of the checks while shards work. A node can be unresponsive for one or two of these, or for [`MAX_SLEEP`]
/// if the watchdog was just about to sleep.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// Checks without any work after which the watchdog sleeps until a shard works.
const IDLE_CHECKS: u32 = 100;

/// Longest sleep of the watchdog. A shard that begins to work wakes it, but may not see that it is about to sleep.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// How long a handler may run before it is logged.
const LONG_RUN: Duration = Duration::from_secs(1);

/// Bytes of a port's name, or of a tag, in the log.
const SHOWN_BYTES: usize = 24;

/// The state of one shard, or of one link that calls offered functions, as seen by the watchdog. The working thread
/// writes it without waiting.
struct Watched {
    node: NodeId,
    /// `None` if the runtime is single-threaded.
    runtime: Option<Handle>,
    /// Odd while a chunk is processed. Changes with each chunk.
    chunk: AtomicU64,
    /// Changes with each message or other operation.
    step: AtomicU64,
    port: Shown,
    tag: Shown,
    /// The task that was woken last. Its wake is deferred until the chunk is done.
    deferred: Mutex<Option<Waker>>,
    /// Whether there is a deferred wake. Written under the lock.
    has_deferred: AtomicBool,
}

/// The beginning of a text, for the log. A concurrent reader may see a mix of two texts; the log only shows one that
/// has not changed for a long time.
#[derive(Default)]
struct Shown {
    words: [AtomicU64; SHOWN_BYTES / 8],
    len: AtomicU8,
}

impl Shown {
    #[inline]
    fn set(&self, text: &str) {
        let mut bytes = [0; SHOWN_BYTES];
        let len = text.len().min(SHOWN_BYTES);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        let (words, _) = bytes.as_chunks();
        for (to, word) in self.words.iter().zip(words) {
            to.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
        self.len.store(len as u8, Ordering::Relaxed);
    }

    #[inline]
    fn clear(&self) {
        self.len.store(0, Ordering::Relaxed);
    }

    fn get(&self) -> String {
        let words = self.words.iter();
        let bytes: Vec<u8> = words
            .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
            .collect();
        let len = usize::from(self.len.load(Ordering::Relaxed)).min(SHOWN_BYTES);
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }
}

thread_local! {
    /// The worker that runs on this thread.
    static CURRENT: RefCell<Option<Arc<Watched>>> = const { RefCell::new(None) };
}

/// The handle by which a shard or a link reports its work to the watchdog.
pub(crate) struct Worker {
    watched: Arc<Watched>,
}

impl Worker {
    pub(crate) fn new(node: &NodeId, runtime: &Handle) -> Self {
        let is_multi_thread = runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
        let watched = Arc::new(Watched {
            node: node.clone(),
            runtime: is_multi_thread.then(|| runtime.clone()),
            chunk: AtomicU64::new(0),
            step: AtomicU64::new(0),
            port: Shown::default(),
            tag: Shown::default(),
            deferred: Mutex::default(),
            has_deferred: AtomicBool::new(false),
        });
        WATCHDOG.watch(&watched);
        Self { watched }
    }

    /// Marks the worker as working on this thread until the returned guard is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> Working {
        increment(&self.watched.chunk);
        WATCHDOG.wake();
        Working {
            outer: CURRENT.replace(Some(self.watched.clone())),
        }
    }

    /// Reports the next operation, for `port`.
    #[inline]
    pub(crate) fn begin_item(&self, port: &str) {
        self.begin_message();
        self.watched.port.set(port);
        self.watched.tag.clear();
    }

    /// Reports another message for the same port.
    #[inline]
    pub(crate) fn begin_message(&self) {
        increment(&self.watched.step);
    }

    /// What tells others how far the worker is.
    pub(crate) fn steps(&self) -> Steps {
        Steps(Arc::downgrade(&self.watched))
    }
}

/// How far a worker is, for whoever asks.
pub(crate) struct Steps(Weak<Watched>);

impl Steps {
    /// A number that changes with each message or other operation that the worker begins. 0 once the worker has ended.
    pub(crate) fn get(&self) -> u64 {
        let watched = self.0.upgrade();
        watched.map_or(0, |watched| watched.step.load(Ordering::Relaxed))
    }
}

/// The guard of a working worker. Dropping it performs the deferred wake.
pub(crate) struct Working {
    outer: Option<Arc<Watched>>,
}

impl Drop for Working {
    #[inline]
    fn drop(&mut self) {
        if let Some(watched) = CURRENT.replace(self.outer.take()) {
            increment(&watched.chunk);
            watched.wake();
        }
    }
}

/// Increments a counter. Only the working thread writes it.
#[inline]
fn increment(count: &AtomicU64) {
    let before = count.load(Ordering::Relaxed);
    count.store(before.wrapping_add(1), Ordering::Relaxed);
}

impl Watched {
    fn deferred(&self) -> MutexGuard<'_, Option<Waker>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Defers a wake. Only the last one is deferred, as in the runtime's LIFO slot; the previous one is returned, to be
    /// performed.
    fn defer(&self, waker: Waker) -> Option<Waker> {
        let mut deferred = self.deferred();
        self.has_deferred.store(true, Ordering::Relaxed);
        deferred.replace(waker)
    }

    /// Performs the deferred wake. Relaxed: the working thread sees its own writes, and the watchdog calls this
    /// repeatedly.
    #[inline]
    fn wake(&self) {
        if self.has_deferred.load(Ordering::Relaxed) {
            self.wake_deferred();
        }
    }

    #[cold]
    fn wake_deferred(&self) {
        let deferred = {
            let mut deferred = self.deferred();
            self.has_deferred.store(false, Ordering::Relaxed);
            deferred.take()
        };
        deferred.into_iter().for_each(wake);
    }
}

/// Reports the tag of the message that the handler on this thread receives.
#[inline]
pub(crate) fn set_tag(tag: &str) {
    CURRENT.with_borrow(|current| {
        if let Some(watched) = current {
            watched.tag.set(tag);
        }
    });
}

/// Wakes a task. If a shard works on this thread, the wake is deferred until the shard wakes another task, has
/// processed its chunk, or is found blocked by the watchdog. Until then the runtime would keep the task on this thread
/// anyway.
#[inline]
pub(crate) fn defer_wake(waker: Waker) {
    let now = CURRENT.with_borrow(|current| match current {
        // In a single-threaded runtime the watchdog could not perform a deferred wake.
        Some(watched) if watched.runtime.is_some() => watched.defer(waker),
        _ => Some(waker),
    });
    // Not while `CURRENT` is borrowed: a waker may run any code.
    now.into_iter().for_each(wake);
}

/// Wakes a task. The waker may be the program's code.
fn wake(waker: Waker) {
    guard::run_or_log("a waker panicked", || waker.wake());
}

/// Awaits `future`, which a shard completes. Its task is woken by [`defer_wake`], but a poll sees the completion at once.
pub(crate) async fn with_deferred_wake<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| poll_deferred(future.as_mut(), cx)).await
}

/// Polls `future` once for [`with_deferred_wake`].
pub(crate) fn poll_deferred<F: Future>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(DeferredWaker(cx.waker().clone())));
    future.poll(&mut Context::from_waker(&waker))
}

struct DeferredWaker(Waker);

impl Wake for DeferredWaker {
    fn wake(self: Arc<Self>) {
        defer_wake(self.0.clone());
    }
}

/// Moves the last woken task out of the runtime's LIFO slot, by spawning an empty task, which takes the slot; other
/// threads can then steal the woken task. For a sender that does not yield after it has woken a shard or a writer.
///
/// The effect: one local port receives messages at 3.02 times the rate of a channel instead of 1.54 times;
/// `benches/local`, medians of five interleaved rounds.
#[cold]
pub(crate) fn clear_lifo_slot() {
    flush();
    if is_multi_thread() {
        tokio::spawn(async {});
    }
}

/// Performs the wake that [`defer_wake`] has deferred on this thread.
fn flush() {
    let current = CURRENT.with_borrow(Clone::clone);
    if let Some(watched) = current {
        watched.wake();
    }
}

/// The watchdog of this process.
static WATCHDOG: Watchdog = Watchdog {
    state: Mutex::new(State {
        all: Vec::new(),
        is_running: false,
        woken: false,
    }),
    is_asleep: AtomicBool::new(false),
    wakeup: Condvar::new(),
};

struct Watchdog {
    state: Mutex<State>,
    is_asleep: AtomicBool,
    wakeup: Condvar,
}

struct State {
    all: Vec<Observation>,
    /// Its thread is running. It ends when there is nothing to watch.
    is_running: bool,
    woken: bool,
}

/// The last observation of one worker.
struct Observation {
    watched: Weak<Watched>,
    chunk: u64,
    step: u64,
    /// It is still in the chunk of the last check.
    is_stuck: bool,
    /// The number of checks since its step has changed.
    checks: u32,
}

impl Watchdog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&'static self, watched: &Arc<Watched>) {
        let mut state = self.lock();
        state.all.push(Observation {
            watched: Arc::downgrade(watched),
            chunk: 0,
            step: 0,
            is_stuck: false,
            checks: 0,
        });
        if state.is_running {
            return;
        }
        let thread = thread::Builder::new().name(String::from("aemp-watchdog"));
        // The log subscriber is the program's code and may panic: restart then.
        let run = || while guard::run(|| self.run()).is_err() {};
        match thread.spawn(run) {
            Ok(_) => state.is_running = true,
            Err(error) => {
                tracing::warn!(target: "aemp::node", %error, "no thread for the watchdog: a handler that blocks makes its node deaf");
            }
        }
    }

    /// Wakes the watchdog if it sleeps.
    #[inline]
    fn wake(&self) {
        if self.is_asleep.load(Ordering::Relaxed) {
            self.wake_up();
        }
    }

    #[cold]
    fn wake_up(&self) {
        self.is_asleep.store(false, Ordering::Relaxed);
        self.lock().woken = true;
        self.wakeup.notify_one();
    }

    fn run(&self) {
        let mut idle = 0;
        loop {
            idle = if idle < IDLE_CHECKS {
                thread::sleep(CHECK_INTERVAL);
                idle + 1
            } else {
                self.sleep();
                0
            };
            let mut observed = Vec::new();
            {
                let mut state = self.lock();
                state.all.retain_mut(|one| {
                    let watched = one.watched.upgrade();
                    observed.extend(watched.into_iter().map(|watched| {
                        if one.check(&watched) {
                            idle = 0;
                        }
                        (watched, one.is_stuck, one.checks)
                    }));
                    one.watched.strong_count() > 0
                });
                if state.all.is_empty() {
                    state.is_running = false;
                    return;
                }
            }
            // Not under the lock: wakers and destructors may be the program's code.
            for (watched, is_stuck, checks) in observed {
                if is_stuck {
                    watched.release_blocked();
                }
                if CHECK_INTERVAL * checks >= LONG_RUN && CHECK_INTERVAL * (checks - 1) < LONG_RUN {
                    watched.log_long_run();
                }
            }
        }
    }

    fn sleep(&self) {
        let mut state = self.lock();
        state.woken = false;
        self.is_asleep.store(true, Ordering::Relaxed);
        let slept = self
            .wakeup
            .wait_timeout_while(state, MAX_SLEEP, |state| !state.woken);
        drop(slept);
        self.is_asleep.store(false, Ordering::Relaxed);
    }
}

impl Observation {
    /// Updates the observation. Returns whether the worker has worked since the last check.
    fn check(&mut self, watched: &Watched) -> bool {
        let chunk = watched.chunk.load(Ordering::Relaxed);
        let step = watched.step.load(Ordering::Relaxed);
        self.is_stuck = chunk % 2 == 1 && chunk == self.chunk;
        self.checks = match self.is_stuck && step == self.step {
            true => self.checks.saturating_add(1),
            false => 0,
        };
        let has_worked = chunk % 2 == 1 || chunk != self.chunk;
        (self.chunk, self.step) = (chunk, step);
        has_worked
    }
}

impl Watched {
    /// Lets other tasks continue while this worker is blocked.
    fn release_blocked(&self) {
        if let Some(runtime) = &self.runtime {
            // This wakes a thread, which then drives I/O and timers.
            runtime.spawn(async {});
            self.wake();
            wake_yielded();
        }
    }

    /// Logs the handler or function that has been running for long.
    fn log_long_run(&self) {
        let (port, tag) = (self.port.get(), self.tag.get());
        tracing::warn!(
            target: "aemp::port",
            node = %self.node,
            port = %Excerpt(&port),
            tag = %Excerpt(&tag),
            "a handler has been running for {LONG_RUN:?}: while it blocks, what shares its shard or connection waits"
        );
    }
}
