//! `Deadline` and `Ticks`: points in time from durations that a program gives. A duration beyond the range of the
//! clock, such as `Duration::MAX`, never ends.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

/// A deadline; [`Never`](Self::Never) if it is beyond the range of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    At(Instant),
    Never,
}

impl Deadline {
    /// The deadline `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self::At(Instant::now()).plus(limit)
    }

    /// This deadline, later by `more`.
    pub(crate) fn plus(self, more: Duration) -> Self {
        match self {
            Self::At(moment) => moment.checked_add(more).map_or(Self::Never, Self::At),
            Self::Never => Self::Never,
        }
    }

    /// Whether the deadline has passed at `now`.
    pub(crate) fn has_passed(self, now: Instant) -> bool {
        self <= Self::At(now)
    }

    /// Waits for the deadline. The timer belongs to the runtime in which this is called, wherever the future is awaited.
    pub(crate) fn wait(self) -> impl Future<Output = ()> + Send {
        let sleep = match self {
            Self::At(moment) => Some(sleep_until(moment)),
            Self::Never => None,
        };
        async {
            match sleep {
                Some(sleep) => sleep.await,
                None => pending().await,
            }
        }
    }

    /// The output of `future`; `None` if the deadline passes first.
    pub(crate) fn timeout<F: Future>(self, future: F) -> impl Future<Output = Option<F::Output>> {
        let expired = self.wait();
        async {
            tokio::select! {
                biased;
                output = future => Some(output),
                () = expired => None,
            }
        }
    }
}

/// Periodic ticks, the first one after one period. A late tick delays the following ones.
pub(crate) struct Ticks(Option<Interval>);

impl Ticks {
    /// Ticks every `period`, which must not be zero.
    pub(crate) fn every(period: Duration) -> Self {
        let first = Instant::now().checked_add(period);
        Self(first.map(|first| {
            let mut ticks = interval_at(first, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    /// Waits for the next tick.
    ///
    /// # Cancel safety
    /// Dropping the future loses no tick.
    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(ticks) => drop(ticks.tick().await),
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_time_never_ends_and_is_later_than_any_other() {
        let (soon, never) = (Deadline::after(Duration::from_secs(1)), Deadline::Never);
        assert_eq!(Deadline::after(Duration::MAX), never);
        assert_eq!(soon.plus(Duration::MAX), never);
        assert!(soon < never && !never.has_passed(Instant::now()));
        let expired = soon.timeout(Ticks::every(Duration::MAX).next()).await;
        assert!(expired.is_none() && soon.has_passed(Instant::now()));
        assert_eq!(never.timeout(async { 7 }).await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_come_after_each_period() {
        let begun = Instant::now();
        let mut ticks = Ticks::every(Duration::from_secs(2));
        for n in 1..4 {
            ticks.next().await;
            assert_eq!(begun.elapsed(), Duration::from_secs(2 * n));
        }
    }
}
