//! How the tasks of a node share the runtime's threads.
//!
//! The runtime keeps a task that was woken for the thread of the one that woke it, and a task that yields for its own
//! thread, where no other takes them over. That is best for a message now and then. A node that is busy has more than
//! one task to run, and they should be where a thread without work finds them.

use std::future::poll_fn;
use std::task::Poll;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::yield_now;

/// Whether tasks of the runtime we are in can run on more than one thread.
fn has_threads() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// For a task that goes on and on, after it has woken another: by waking something else, the runtime puts that into
/// the place next in line, and the other where all threads find it.
#[cold]
pub(crate) fn make_way() {
    crate::watchdog::flush();
    if has_threads() {
        tokio::spawn(async {});
    }
}

/// Goes to the end of the queue of this thread, where others find it.
pub(crate) async fn step_back() {
    if !has_threads() {
        return yield_now().await;
    }
    let mut back = false;
    poll_fn(|cx| {
        if back {
            return Poll::Ready(());
        }
        back = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
