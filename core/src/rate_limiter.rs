//! `RateLimiter`: limits how often an operation may happen. It reads no clock: the time is an argument.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket: holds `burst` permits, and gets one back after each period.
pub(crate) struct RateLimiter {
    burst: i64,
    period: Duration,
    state: Mutex<State>,
}

struct State {
    /// Permits left. Below zero if several concurrent attempts were counted after the check.
    left: i64,
    refilled: Option<Instant>,
}

impl RateLimiter {
    /// A bucket of `burst` permits with one more after each `period`, which is at least 1 ms.
    pub(crate) fn new(burst: u32, period: Duration) -> Self {
        let burst = i64::from(burst);
        Self {
            burst,
            period: period.max(Duration::from_millis(1)),
            state: Mutex::new(State {
                left: burst,
                refilled: None,
            }),
        }
    }

    /// Whether a permit is left.
    pub(crate) fn has_permit(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let refilled = *state.refilled.get_or_insert(now);
        let periods = now.saturating_duration_since(refilled).as_millis() / self.period.as_millis();
        if periods > 0 {
            let more = i64::try_from(periods).unwrap_or(i64::MAX);
            state.left = state.left.saturating_add(more).min(self.burst);
            state.refilled = Some(now);
        }
        state.left > 0
    }

    /// Uses a permit.
    pub(crate) fn consume(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.left = state.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_permits_come_back_one_per_period() {
        let period = Duration::from_millis(100);
        let limiter = RateLimiter::new(20, period);
        let start = Instant::now();
        assert!((0..100).all(|_| limiter.has_permit(start)));
        (0..20).for_each(|_| limiter.consume());
        assert!(!limiter.has_permit(start));
        assert!(limiter.has_permit(start + period));
        (0..5).for_each(|_| limiter.consume());
        assert!(!limiter.has_permit(start + 5 * period));
        assert!(limiter.has_permit(start + 6 * period));
    }
}
