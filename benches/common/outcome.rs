//! What the receivers of a run say: whether every message came, once and in order. A run that cannot say so has no
//! ratio.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Longer than any run takes.
const LIMIT: Duration = Duration::from_secs(60);

/// What the receivers of one run have to say.
#[derive(Default)]
pub(crate) struct Outcome {
    done: AtomicUsize,
    wrong: AtomicBool,
    news: Notify,
}

impl Outcome {
    /// Something came that should not.
    pub(crate) fn wrong(&self) {
        self.wrong.store(true, Ordering::Release);
        self.news.notify_one();
    }

    /// A receiver has all its messages.
    pub(crate) fn done(&self) {
        self.done.fetch_add(1, Ordering::AcqRel);
        self.news.notify_one();
    }

    /// Waits until so many receivers have all their messages.
    pub(crate) async fn of(&self, receivers: usize) {
        let all = async {
            while self.done.load(Ordering::Acquire) < receivers
                && !self.wrong.load(Ordering::Acquire)
            {
                self.news.notified().await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, all).await.is_ok();
        let done = self.done.swap(0, Ordering::AcqRel);
        let right = in_time && done == receivers && !self.wrong.load(Ordering::Acquire);
        assert!(right, "a message was lost, repeated or overtaken: no ratio");
    }
}
