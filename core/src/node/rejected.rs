//! Handles items that were rejected because their shard has ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Inner;
use crate::guard;
use crate::shard::{Item, Op, Watcher};

impl Inner {
    /// Completes an item that the queue of an ended shard has rejected: notifies its watcher. A callback does not run
    /// here, since the caller may hold a lock.
    pub(super) fn settle_rejected(self: &Arc<Self>, rejected: Option<Item>) {
        let Some(item) = rejected else { return };
        match item.op {
            Op::Insert(new) => new.dispose(&self.life.stopped_reason()),
            Op::Watch(watcher) => {
                if let Watcher::Local(_, action) = *watcher {
                    self.fire(&item.port, action, self.life.stopped_reason());
                }
            }
            Op::Fire(_) => {
                let callback = OrphanedCallback(Some((self.clone(), item)));
                self.life.runtime.spawn(async move { callback.run() });
            }
            _ => {}
        }
    }
}

/// A callback that fires after its shard has ended. It runs in a task; if the runtime drops that task, it runs in a
/// thread that all such callbacks share.
struct OrphanedCallback(Option<(Arc<Inner>, Item)>);

impl OrphanedCallback {
    fn run(mut self) {
        if let Some((node, item)) = self.0.take() {
            run_action(&node, item);
        }
    }
}

impl Drop for OrphanedCallback {
    fn drop(&mut self) {
        if let Some((node, item)) = self.0.take() {
            QUEUE.add(node, item);
        }
    }
}

/// The callbacks whose runtime has ended, of all nodes of the process.
struct Queue(Mutex<Waiting>);

struct Waiting {
    items: VecDeque<(Arc<Inner>, Item)>,
    /// The thread that runs them exists. It ends when the queue is empty.
    is_running: bool,
}

static QUEUE: Queue = Queue(Mutex::new(Waiting {
    items: VecDeque::new(),
    is_running: false,
}));

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, node: Arc<Inner>, item: Item) {
        let mut waiting = self.lock();
        waiting.items.push_back((node, item));
        if waiting.is_running {
            return;
        }
        let thread = std::thread::Builder::new().name(String::from("aemp-late"));
        match thread.spawn(|| self.run()) {
            Ok(_) => waiting.is_running = true,
            // The next callback tries again.
            Err(error) => {
                tracing::error!(target: "aemp::monitor", %error, "no thread for a monitor's callback: it waits for the next");
            }
        }
    }

    fn run(&self) {
        loop {
            let mut waiting = self.lock();
            let Some((node, item)) = waiting.items.pop_front() else {
                waiting.is_running = false;
                return;
            };
            drop(waiting);
            run_action(&node, item);
            // Dropping the last reference to a node may run the program's destructors.
            guard::dispose(node);
        }
    }
}

fn run_action(node: &Arc<Inner>, item: Item) {
    if let Op::Fire(fired) = item.op {
        let (action, reason) = *fired;
        guard::run_or_log("a monitor's callback panicked", || {
            node.run_action(action, reason)
        });
    }
}
