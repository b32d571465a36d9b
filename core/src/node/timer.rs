//! `Timer`: the guard that cancels a delayed or repeated message.

use std::fmt;

use tokio::task::AbortHandle;

/// Cancels its timer when dropped.
#[must_use = "a timer is cancelled when its guard is dropped; keep it, or call `detach`"]
pub struct Timer(Option<AbortHandle>);

impl Timer {
    pub(super) fn new(task: AbortHandle) -> Self {
        Self(Some(task))
    }

    /// Lets the timer run without its guard, until the node stops.
    pub fn detach(mut self) {
        self.0 = None;
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(AbortHandle::is_finished)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}
