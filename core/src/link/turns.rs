//! `Turns`: when which address of a node is tried. Knows no clock: it is told the time.
//!
//! The best address goes first and has a lead over the next, as one that does not answer may take seconds to fail; one
//! that fails gives way at once. So attempts overlap, and whichever opens a connection first ends the others. An
//! address that has failed is tried again after a pause, while there is time: its node may be about to come up.

use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::Deadline;

/// The longest lead of an address over the next one. With many addresses it is shorter, so that each has its turn.
const LEAD: Duration = Duration::from_millis(250);

/// How many are tried at a time, unless there is room for fewer.
pub(super) const AT_ONCE: usize = 8;

pub(super) struct Turns {
    count: usize,
    at_once: usize,
    /// How many have had their first turn.
    begun: usize,
    /// When the next one may have its first.
    next: Instant,
    lead: Duration,
    running: usize,
    /// Those that have failed, with when they are tried again.
    again: Vec<(Instant, usize)>,
    /// No attempt begins then or later.
    until: Deadline,
}

impl Turns {
    /// The turns of `count` addresses, `at_once` of them at a time, within `time` from `now` on.
    pub(super) fn new(count: usize, at_once: usize, now: Instant, time: Duration) -> Self {
        let share = time / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Self {
            count,
            at_once,
            begun: 0,
            next: now,
            lead: share.min(LEAD),
            running: 0,
            again: Vec::new(),
            until: Deadline::At(now).plus(time),
        }
    }

    /// Which address is to be tried now, if one is. Ask until there is none.
    pub(super) fn start(&mut self, now: Instant) -> Option<usize> {
        // However short the time is, one attempt is made.
        let late = self.until.has_come(now) && self.begun > 0;
        if late || self.running >= self.at_once {
            return None;
        }
        let at = if self.begun < self.count && self.next <= now {
            self.begun += 1;
            self.next = now + self.lead;
            self.begun - 1
        } else {
            let due = self.again.iter().position(|(due, _)| *due <= now)?;
            self.again.remove(due).1
        };
        self.running += 1;
        Some(at)
    }

    /// The attempt at address `at` has failed; the next may come after `pause`.
    pub(super) fn failed(&mut self, at: usize, now: Instant, pause: Duration) {
        self.running -= 1;
        self.next = self.next.min(now);
        self.again.push((now + pause, at));
    }

    /// When to ask again if no attempt fails before. `None` if none can begin before one has failed; when none is under
    /// way either, all is over.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        // Past the time an attempt may still be due that the clock has skipped.
        if self.running >= self.at_once || self.until.has_come(now) {
            return None;
        }
        let first = (self.begun < self.count).then_some(self.next);
        let due = self.again.iter().map(|(due, _)| *due).chain(first);
        due.min().filter(|due| !self.until.has_come(*due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(2);
    const PAUSE: Duration = Duration::from_millis(300);

    fn begun(turns: &mut Turns, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| turns.start(now)).collect()
    }

    #[test]
    fn one_that_does_not_answer_has_a_lead_and_one_that_fails_gives_way() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut turns = Turns::new(3, AT_ONCE, start, TIME);
        assert_eq!(begun(&mut turns, at(0)), [0]);
        assert_eq!(turns.wake(at(0)), Some(at(250)));
        assert!(begun(&mut turns, at(249)).is_empty());
        assert_eq!(begun(&mut turns, at(250)), [1]);
        turns.failed(1, at(260), PAUSE);
        assert_eq!(begun(&mut turns, at(260)), [2]);
        assert_eq!(turns.wake(at(260)), Some(at(560)));
        assert_eq!(begun(&mut turns, at(560)), [1]);
        assert_eq!(turns.wake(at(560)), None);
    }

    #[test]
    fn a_clock_that_jumps_over_the_end_ends_the_attempts() {
        let start = Instant::now();
        let mut turns = Turns::new(2, AT_ONCE, start, TIME);
        assert_eq!(begun(&mut turns, start), [0]);
        let late = start + 2 * TIME;
        turns.failed(0, late - 3 * TIME / 2, PAUSE);
        assert!(begun(&mut turns, late).is_empty());
        assert_eq!(turns.wake(late), None);
    }

    #[test]
    fn all_is_over_when_the_time_is() {
        let start = Instant::now();
        let mut turns = Turns::new(1, AT_ONCE, start, TIME);
        let mut now = start;
        let mut attempts = 0;
        while let Some(at) = turns.start(now) {
            attempts += 1;
            turns.failed(at, now, PAUSE);
            let Some(wake) = turns.wake(now) else { break };
            now = wake;
        }
        // At 0, 300, ... 1800 ms.
        assert_eq!(attempts, 7);
    }

    #[test]
    fn many_addresses_share_the_time_and_few_are_tried_at_once() {
        let start = Instant::now();
        let mut turns = Turns::new(100, AT_ONCE, start, TIME);
        let mut running = begun(&mut turns, start);
        let mut now = start;
        while let Some(wake) = turns.wake(now) {
            assert!(wake < start + TIME);
            now = wake;
            running.extend(begun(&mut turns, now));
        }
        assert_eq!(running.len(), AT_ONCE);
        assert_eq!(turns.next, start + 8 * (TIME / 100));
    }

    #[test]
    fn without_time_the_first_is_tried_once() {
        let start = Instant::now();
        let mut turns = Turns::new(2, AT_ONCE, start, Duration::ZERO);
        assert_eq!(begun(&mut turns, start), [0]);
        turns.failed(0, start, PAUSE);
        assert!(begun(&mut turns, start).is_empty());
        assert_eq!(turns.wake(start), None);
    }
}
