//! `Deadline`: the end of a limit of time. A limit that is longer than any clock can tell, such as `Duration::MAX`, never
//! ends.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A moment that something must not be later than; it may never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// `limit` from now on.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    /// At `moment`.
    pub(crate) fn at(moment: Instant) -> Self {
        Self(Some(moment))
    }

    /// Waits until it comes. In whatever runtime the future is awaited, the timer is of the one where this is called.
    pub(crate) fn wait(self) -> impl Future<Output = ()> + Send {
        let sleep = self.0.map(sleep_until);
        async {
            match sleep {
                Some(sleep) => sleep.await,
                None => pending().await,
            }
        }
    }

    /// The result of `future`, unless the deadline comes first.
    pub(crate) fn bound<F: Future>(self, future: F) -> impl Future<Output = Option<F::Output>> {
        let late = self.wait();
        async {
            tokio::select! {
                biased;
                output = future => Some(output),
                () = late => None,
            }
        }
    }
}
