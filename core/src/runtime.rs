//! How the tasks of a node share the runtime's threads.
//!
//! The runtime keeps a task that was woken for the thread of the one that woke it, and a task that yields for its own
//! thread, where no other takes them over. That is best for a message now and then. A node that is busy has more than
//! one task to run, and they should be where a thread without work finds them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::yield_now;

/// Whether tasks of the runtime we are in can run on more than one thread.
pub(crate) fn has_threads() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Lets all other tasks that are ready run, and sockets and timers be looked at.
///
/// The runtime's own `yield_now` is over when anything wakes the task, as a link does itself when it answers a request,
/// and then up to 61 turns pass before others that have yielded, sockets and timers have theirs.
pub(crate) async fn yield_to_runtime() {
    let mut turn: Option<Arc<Turn>> = None;
    poll_fn(|cx| match &turn {
        Some(turn) if turn.has_come.load(Ordering::Acquire) => Poll::Ready(()),
        Some(_) => Poll::Pending,
        None => {
            let next = Arc::new(Turn {
                has_come: AtomicBool::new(false),
                task: cx.waker().clone(),
            });
            turn = Some(next.clone());
            if has_threads() {
                YIELDED.with(|yielded| yielded.add(next.clone()));
            }
            // The first poll gives the waker to the runtime.
            pin!(yield_now())
                .poll(&mut Context::from_waker(&next.into()))
                .map(drop)
        }
    })
    .await;
}

/// Wakes a task whose turn has come.
struct Turn {
    has_come: AtomicBool,
    task: Waker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.has_come.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// The tasks that have yielded on one thread. The runtime keeps them for that thread, until it has nothing else to do.
#[derive(Default)]
struct Yielded(Mutex<Vec<Arc<Turn>>>);

/// Those of all threads.
static THREADS: Mutex<Vec<Weak<Yielded>>> = Mutex::new(Vec::new());

thread_local! {
    static YIELDED: Arc<Yielded> = {
        let yielded = Arc::<Yielded>::default();
        let mut threads = lock(&THREADS);
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&yielded));
        yielded
    };
}

impl Yielded {
    fn add(&self, turn: Arc<Turn>) {
        let mut turns = lock(&self.0);
        // All that have yielded on a thread have their turn at once.
        if turns
            .first()
            .is_some_and(|turn| turn.has_come.load(Ordering::Relaxed))
        {
            turns.clear();
        }
        turns.push(turn);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets all tasks go on that have yielded, on whatever thread: one of the threads is blocked, and does not come back to its
/// own.
pub(crate) fn release_yielded() {
    let threads: Vec<_> = lock(&THREADS).iter().filter_map(Weak::upgrade).collect();
    for thread in threads {
        let turns = std::mem::take(&mut *lock(&thread.0));
        turns.into_iter().for_each(Wake::wake);
    }
}
