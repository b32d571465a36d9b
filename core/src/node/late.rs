//! What comes to a shard that has ended.

use std::sync::Arc;

use super::Inner;
use crate::guard;
use crate::shard::{Item, Watcher, What};

impl Inner {
    /// Does what remains to be done with an item that its shard, which has ended, gave back: whoever waits is told. A
    /// callback does not run here, since the caller may hold a lock.
    pub(super) fn settle(self: &Arc<Self>, refused: Option<Item>) {
        let Some(item) = refused else { return };
        match item.what {
            What::Insert(new) => new.dispose(&self.stopped_reason()),
            What::Watch(watcher) => {
                if let Watcher::Local(_, action) = *watcher {
                    self.fire(&item.port, action, self.stopped_reason());
                }
            }
            What::Fire(_) => {
                let late = Late(Some((self.clone(), item)));
                self.runtime.spawn(async move { late.run() });
            }
            _ => {}
        }
    }
}

/// A callback that fires when no shard is left to run it. It runs in a task; dropped before, since the runtime has ended, in
/// a thread.
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
            let thread = std::thread::Builder::new().name(String::from("aemp-late"));
            if let Err(error) = thread.spawn(move || act(&node, item)) {
                tracing::error!(target: "aemp::monitor", %error, "a monitor's callback cannot run");
            }
        }
    }
}

fn act(node: &Arc<Inner>, item: Item) {
    if let What::Fire(fired) = item.what {
        let (action, reason) = *fired;
        guard::log("a monitor's callback panicked", || node.act(action, reason));
    }
}
