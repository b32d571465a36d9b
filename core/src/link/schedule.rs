//! `Schedule`: decides when each address of a node is dialled, in the manner of Happy Eyeballs (RFC 8305). It reads no
//! clock: the time is an argument.
//!
//! The best address is dialled first. The next one follows after a delay, because an address that does not answer may
//! take seconds to fail, or at once when the attempt fails. So attempts overlap; the first one that opens a connection
//! ends the others. A failed address is dialled again after a pause, until the time is over: its node may be starting.

use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::Deadline;

/// The delay between the first attempts of two addresses. It is shorter with many addresses, so that each is dialled.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Concurrent attempts, unless the limit `dials` is lower.
pub(super) const MAX_CONCURRENT: usize = 8;

pub(super) struct Schedule {
    count: usize,
    concurrent: usize,
    /// Addresses whose first attempt has begun.
    started: usize,
    /// When the first attempt of the next address may begin.
    next: Instant,
    delay: Duration,
    running: usize,
    /// Failed addresses, each with the time of its next attempt.
    retries: Vec<(Instant, usize)>,
    /// No attempt begins at this time or later.
    until: Deadline,
}

impl Schedule {
    /// A schedule for `count` addresses, at most `concurrent` at a time, for `time` from `now` on.
    pub(super) fn new(count: usize, concurrent: usize, now: Instant, time: Duration) -> Self {
        let share = time / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Self {
            count,
            concurrent,
            started: 0,
            next: now,
            delay: share.min(ATTEMPT_DELAY),
            running: 0,
            retries: Vec::new(),
            until: Deadline::At(now).plus(time),
        }
    }

    /// The index of an address to dial now. Call it until it returns `None`.
    pub(super) fn start(&mut self, now: Instant) -> Option<usize> {
        // At least one attempt is made, however short the time is.
        let is_over = self.until.has_passed(now) && self.started > 0;
        if is_over || self.running >= self.concurrent {
            return None;
        }
        let at = if self.started < self.count && self.next <= now {
            self.started += 1;
            self.next = now + self.delay;
            self.started - 1
        } else {
            let due = self.retries.iter().position(|(due, _)| *due <= now)?;
            self.retries.remove(due).1
        };
        self.running += 1;
        Some(at)
    }

    /// The attempt at address `at` has failed; the next one may begin after `pause`.
    pub(super) fn failed(&mut self, at: usize, now: Instant, pause: Duration) {
        self.running -= 1;
        self.next = self.next.min(now);
        self.retries.push((now + pause, at));
    }

    /// When to call [`start`](Self::start) again if no attempt fails before. `None` if no attempt can begin before one
    /// has failed; if none is running either, the schedule is complete.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        // After a jump of the clock past the end, attempts may still be due: they do not begin.
        if self.running >= self.concurrent || self.until.has_passed(now) {
            return None;
        }
        let first = (self.started < self.count).then_some(self.next);
        let due = self.retries.iter().map(|(due, _)| *due).chain(first);
        due.min().filter(|due| !self.until.has_passed(*due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(2);
    const PAUSE: Duration = Duration::from_millis(300);

    fn started(schedule: &mut Schedule, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| schedule.start(now)).collect()
    }

    #[test]
    fn the_next_address_follows_after_a_delay_or_at_once_after_a_failure() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut schedule = Schedule::new(3, MAX_CONCURRENT, start, TIME);
        assert_eq!(started(&mut schedule, at(0)), [0]);
        assert_eq!(schedule.next_wake(at(0)), Some(at(250)));
        assert!(started(&mut schedule, at(249)).is_empty());
        assert_eq!(started(&mut schedule, at(250)), [1]);
        schedule.failed(1, at(260), PAUSE);
        assert_eq!(started(&mut schedule, at(260)), [2]);
        assert_eq!(schedule.next_wake(at(260)), Some(at(560)));
        assert_eq!(started(&mut schedule, at(560)), [1]);
        assert_eq!(schedule.next_wake(at(560)), None);
    }

    #[test]
    fn a_clock_that_jumps_over_the_end_ends_the_attempts() {
        let start = Instant::now();
        let mut schedule = Schedule::new(2, MAX_CONCURRENT, start, TIME);
        assert_eq!(started(&mut schedule, start), [0]);
        let is_over = start + 2 * TIME;
        schedule.failed(0, is_over - 3 * TIME / 2, PAUSE);
        assert!(started(&mut schedule, is_over).is_empty());
        assert_eq!(schedule.next_wake(is_over), None);
    }

    #[test]
    fn no_attempt_begins_after_the_time() {
        let start = Instant::now();
        let mut schedule = Schedule::new(1, MAX_CONCURRENT, start, TIME);
        let mut now = start;
        let mut attempts = 0;
        while let Some(at) = schedule.start(now) {
            attempts += 1;
            schedule.failed(at, now, PAUSE);
            let Some(wake) = schedule.next_wake(now) else {
                break;
            };
            now = wake;
        }
        // At 0, 300, ... 1800 ms.
        assert_eq!(attempts, 7);
    }

    #[test]
    fn many_addresses_share_the_time_and_few_are_dialled_concurrently() {
        let start = Instant::now();
        let mut schedule = Schedule::new(100, MAX_CONCURRENT, start, TIME);
        let mut running = started(&mut schedule, start);
        let mut now = start;
        while let Some(wake) = schedule.next_wake(now) {
            assert!(wake < start + TIME);
            now = wake;
            running.extend(started(&mut schedule, now));
        }
        assert_eq!(running.len(), MAX_CONCURRENT);
        assert_eq!(schedule.next, start + 8 * (TIME / 100));
    }

    #[test]
    fn without_time_the_first_address_is_dialled_once() {
        let start = Instant::now();
        let mut schedule = Schedule::new(2, MAX_CONCURRENT, start, Duration::ZERO);
        assert_eq!(started(&mut schedule, start), [0]);
        schedule.failed(0, start, PAUSE);
        assert!(started(&mut schedule, start).is_empty());
        assert_eq!(schedule.next_wake(start), None);
    }
}
