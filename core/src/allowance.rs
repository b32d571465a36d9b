//! `LogAllowance`: a rate limit for log lines that peers and other outsiders cause.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::rate_limiter::RateLimiter;

/// A rate limit for log lines about one subject, such as one peer: a burst of lines, and then one line per period.
/// Suppressed lines are counted; the count is logged with the next allowed line, or when the allowance is dropped.
///
/// Use it for lines that others can cause at any rate, for example in a program that logs data received from peers.
///
/// ```
/// # use std::time::Duration;
/// let lines = aemp::logs::LogAllowance::new("requests to the till", 2, Duration::from_secs(60));
/// let mut said = 0;
/// for request in 0..10 {
///     if lines.admits() {
///         said += 1; // tracing::warn!(request, "cannot be read");
///     }
/// }
/// assert_eq!((said, lines.left_out()), (2, 8));
/// ```
pub struct LogAllowance {
    about: Box<str>,
    limiter: RateLimiter,
    left_out: AtomicU64,
}

impl fmt::Debug for LogAllowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogAllowance")
            .field("about", &self.about)
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

impl LogAllowance {
    /// Allows `burst` lines at once, and one more after each `period`. `about` names the subject in the log.
    pub fn new(about: impl Into<Box<str>>, burst: u32, period: Duration) -> Self {
        Self {
            about: about.into(),
            limiter: RateLimiter::new(burst, period),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a line may be logged now. If not, it is counted as left out.
    pub fn admits(&self) -> bool {
        let admits = self.limiter.has_permit(Instant::now());
        if admits {
            self.limiter.consume();
            self.report();
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        admits
    }

    /// Lines left out since their number was logged last.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Logs the number of lines left out, if it is not 0.
    pub(crate) fn report(&self) {
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(target: "aemp::node", about = %self.about, left_out, "lines were left out of this log");
        }
    }
}

impl Drop for LogAllowance {
    fn drop(&mut self) {
        self.report();
    }
}

/// Logs a line that an outsider has caused, if the [`LogAllowance`], or another value with a method `admits`, allows it.
macro_rules! log_within {
    ($allowance:expr, $level:ident, target: $target:literal, $($line:tt)*) => {
        if tracing::enabled!(target: $target, tracing::Level::$level) && $allowance.admits() {
            tracing::event!(target: $target, tracing::Level::$level, $($line)*);
        }
    };
}
pub(crate) use log_within;
