//! How the tasks of a node share the runtime's threads.
//!
//! The runtime keeps a task that was woken for the thread of the one that woke it, and a task that yields for its own
//! thread, where no other takes them over. That is best for a message now and then. A node that is busy has more than
//! one task to run, and they should be where a thread without work finds them.

use std::future::poll_fn;
use std::task::Poll;

use tokio::runtime::{Handle, RuntimeFlavor};

/// For a task that goes on and on, after it has woken another: by waking something else, the runtime puts that into
/// the place next in line, and the other where all threads find it.
#[cold]
pub(crate) fn make_way() {
    if let Ok(runtime) = Handle::try_current()
        && runtime.runtime_flavor() == RuntimeFlavor::MultiThread
    {
        runtime.spawn(async {});
    }
}

/// Lets other tasks have their turn, as a task that any thread takes over.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
