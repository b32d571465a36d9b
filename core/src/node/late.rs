//! Callbacks of monitors that fire when no shard is left to run them.

use std::sync::Arc;

use super::Inner;
use crate::guard;
use crate::shard::{Item, What};

/// Runs the callback in `refused`, which a shard that has ended gave back: in a task of the runtime, or in a thread where
/// that has ended, too. Never in the caller, which may hold a lock.
pub(super) fn settle(node: &Arc<Inner>, refused: Item) {
    let late = Late(Some((node.clone(), refused)));
    node.runtime.spawn(async move { late.run() });
}

/// Dropped before it has run, since the runtime has ended, it runs in a thread.
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
