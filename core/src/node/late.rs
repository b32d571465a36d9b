//! What comes to a shard that has ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Inner;
use crate::guard;
use crate::shard::{Item, Op, Watcher};

impl Inner {
    /// Does what remains to be done with an item that its shard, which has ended, gave back: whoever waits is told. A
    /// callback does not run here, since the caller may hold a lock.
    pub(super) fn settle(self: &Arc<Self>, refused: Option<Item>) {
        let Some(item) = refused else { return };
        match item.op {
            Op::Insert(new) => new.dispose(&self.life.stopped_reason()),
            Op::Watch(watcher) => {
                if let Watcher::Local(_, action) = *watcher {
                    self.fire(&item.port, action, self.life.stopped_reason());
                }
            }
            Op::Fire(_) => {
                let late = Late(Some((self.clone(), item)));
                self.life.runtime.spawn(async move { late.run() });
            }
            _ => {}
        }
    }
}

/// A callback that fires when no shard is left to run it. It runs in a task; dropped before, since the runtime has
/// ended, in a thread that all such callbacks share.
struct Late(Option<(Arc<Inner>, Item)>);

impl Late {
    fn run(mut self) {
        if let Some((node, item)) = self.0.take() {
            act(&node, item);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some((node, item)) = self.0.take() {
            QUEUE.add(node, item);
        }
    }
}

/// Callbacks whose runtime has ended, of all nodes of the process.
struct Queue(Mutex<Waiting>);

struct Waiting {
    items: VecDeque<(Arc<Inner>, Item)>,
    /// The thread that runs them is there: until there are no more.
    runs: bool,
}

static QUEUE: Queue = Queue(Mutex::new(Waiting {
    items: VecDeque::new(),
    runs: false,
}));

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, node: Arc<Inner>, item: Item) {
        let mut waiting = self.lock();
        waiting.items.push_back((node, item));
        if waiting.runs {
            return;
        }
        let thread = std::thread::Builder::new().name(String::from("aemp-late"));
        match thread.spawn(|| self.run()) {
            Ok(_) => waiting.runs = true,
            // The next one tries again.
            Err(error) => {
                tracing::error!(target: "aemp::monitor", %error, "no thread for a monitor's callback: it waits for the next");
            }
        }
    }

    fn run(&self) {
        loop {
            let mut waiting = self.lock();
            let Some((node, item)) = waiting.items.pop_front() else {
                waiting.runs = false;
                return;
            };
            drop(waiting);
            act(&node, item);
            // The last of its node may run the program's destructors.
            guard::dispose(node);
        }
    }
}

fn act(node: &Arc<Inner>, item: Item) {
    if let Op::Fire(fired) = item.op {
        let (action, reason) = *fired;
        guard::log("a monitor's callback panicked", || node.act(action, reason));
    }
}
