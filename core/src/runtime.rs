//! How the tasks of a node share the runtime's threads.
//!
//! The runtime keeps a woken task on the thread of its waker (the LIFO slot), and a task that yields on its own thread
//! (the deferred list); other threads cannot steal them from there. That is best for occasional messages. A busy node
//! has several ready tasks, which idle threads should be able to steal.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio::task::yield_now;

/// Whether the current runtime is multi-threaded.
pub(crate) fn is_multi_thread() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Waits until `is_so`, which may change when `changed` is notified (by `notify_waiters`).
pub(crate) async fn wait_until(changed: &Notify, mut is_so: impl FnMut() -> bool) {
    loop {
        let change = changed.notified();
        let mut change = pin!(change);
        // Enabled before the look, so that a change in between is not missed.
        change.as_mut().enable();
        if is_so() {
            return;
        }
        change.await;
    }
}

/// Yields to all other ready tasks, and to the runtime's I/O and timer drivers.
///
/// The runtime's own `yield_now` ends early when the task is woken by anything, as a link is by itself when it answers a
/// request. Then up to 61 polls pass before other yielded tasks, sockets and timers are served.
pub(crate) async fn yield_to_runtime() {
    let mut task: Option<Arc<YieldedTask>> = None;
    poll_fn(|cx| match &task {
        Some(task) if task.is_woken.load(Ordering::Acquire) => Poll::Ready(()),
        Some(_) => Poll::Pending,
        None => {
            let next = Arc::new(YieldedTask {
                is_woken: AtomicBool::new(false),
                waker: cx.waker().clone(),
            });
            task = Some(next.clone());
            if is_multi_thread() {
                YIELD_LIST.with(|list| list.add(next.clone()));
            }
            // The first poll passes the waker to the runtime.
            pin!(yield_now())
                .poll(&mut Context::from_waker(&next.into()))
                .map(drop)
        }
    })
    .await;
}

/// A task that has yielded. The runtime wakes it when its turn has come.
struct YieldedTask {
    is_woken: AtomicBool,
    waker: Waker,
}

impl Wake for YieldedTask {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.waker.wake_by_ref();
    }
}

/// The tasks that have yielded on one thread. The runtime keeps them on that thread until it has no other ready task.
#[derive(Default)]
struct YieldList(Mutex<Vec<Arc<YieldedTask>>>);

/// The lists of all threads.
static YIELD_LISTS: Mutex<Vec<Weak<YieldList>>> = Mutex::new(Vec::new());

thread_local! {
    static YIELD_LIST: Arc<YieldList> = {
        let list = Arc::<YieldList>::default();
        let mut lists = lock(&YIELD_LISTS);
        lists.retain(|list| list.strong_count() > 0);
        lists.push(Arc::downgrade(&list));
        list
    };
}

impl YieldList {
    fn add(&self, task: Arc<YieldedTask>) {
        let mut tasks = lock(&self.0);
        // The runtime wakes all yielded tasks of a thread together, so the whole list is done.
        if tasks
            .first()
            .is_some_and(|task| task.is_woken.load(Ordering::Relaxed))
        {
            tasks.clear();
        }
        tasks.push(task);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes all yielded tasks of all threads. Called when a thread is blocked, because the runtime would not wake the
/// tasks of that thread.
pub(crate) fn wake_yielded() {
    let lists: Vec<_> = lock(&YIELD_LISTS)
        .iter()
        .filter_map(Weak::upgrade)
        .collect();
    for list in lists {
        let tasks = std::mem::take(&mut *lock(&list.0));
        tasks.into_iter().for_each(Wake::wake);
    }
}
