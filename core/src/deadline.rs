//! `Deadline` and `Ticks`: times that a program gives. One that is longer than any clock can tell, such as
//! `Duration::MAX`, never ends.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

/// A moment that something must not be later than.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    At(Instant),
    Never,
}

impl Deadline {
    /// `limit` from now on.
    pub(crate) fn after(limit: Duration) -> Self {
        Self::At(Instant::now()).plus(limit)
    }

    /// The same so much later.
    pub(crate) fn plus(self, more: Duration) -> Self {
        match self {
            Self::At(moment) => moment.checked_add(more).map_or(Self::Never, Self::At),
            Self::Never => Self::Never,
        }
    }

    /// Whether it has come at `now`.
    pub(crate) fn has_come(self, now: Instant) -> bool {
        self <= Self::At(now)
    }

    /// Waits until it comes. In whatever runtime the future is awaited, the timer is of the one where this is called.
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

/// The ticks of a period, the first after one of them. Late ones push back those that follow.
pub(crate) struct Ticks(Option<Interval>);

impl Ticks {
    /// `period` is above 0.
    pub(crate) fn every(period: Duration) -> Self {
        let first = Instant::now().checked_add(period);
        Self(first.map(|first| {
            let mut ticks = interval_at(first, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    /// Waits for the next one.
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
        assert!(soon < never && !never.has_come(Instant::now()));
        let late = soon.bound(Ticks::every(Duration::MAX).next()).await;
        assert!(late.is_none() && soon.has_come(Instant::now()));
        assert_eq!(never.bound(async { 7 }).await, Some(7));
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
