//! `Budget`: the work of a task before it yields to other tasks.
//!
//! A task of a shard or a link always has more work while senders are faster than the task. Its work is divided into
//! turns. A turn ends when its budget of messages, bytes or time is exhausted, whichever is first, and then the task
//! yields.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use aemp_proto::faulty;
use tokio::time::Instant;

use crate::runtime::yield_to_runtime;

/// The budget of one turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Messages. They end a turn even if the clock does not advance, as in a simulation.
    messages: usize,
    bytes: usize,
    time: Duration,
}

/// Messages between two readings of the clock, each of which costs as much as one message of a shard. The time of a turn
/// begins with the first reading, so that a short turn reads no clock.
const CLOCK_INTERVAL: usize = 256;

/// The cost of a system call or a request, in messages.
const OPERATION_COST: usize = CLOCK_INTERVAL / 4;

impl Budget {
    /// The budget of a shard. A yield wakes a sleeping thread, even if there is no work for it, which costs as much as
    /// a few dozen messages.
    pub(crate) const SHARD: Self = Self {
        messages: 16 * CLOCK_INTERVAL,
        bytes: usize::MAX,
        time: Duration::from_micros(100),
    };

    /// The budget of one direction of a link. It allows far fewer system calls than the runtime's budget for one poll
    /// of a task (128), so that the other direction, the timers and the cancellation of the link run in the same poll.
    pub(crate) const LINK: Self = Self {
        messages: 32 * OPERATION_COST,
        bytes: 1 << 20,
        time: Duration::from_micros(500),
    };

    /// The budget of one step under the directory's lock.
    pub(crate) const DIRECTORY: Self = Self {
        messages: 64 * OPERATION_COST,
        bytes: usize::MAX,
        time: Duration::from_micros(500),
    };
}

/// Yields of a busy task before it sleeps, each followed by a check for new work. A wake costs the senders more than many
/// messages, and each yield lets the next batch grow.
///
/// The effect: messages to another node pass at 1.15 times the rate of a hand-written loop instead of 0.99 (JSON), and at
/// 0.85 instead of 0.67 (CBOR); `benches/remote`, medians of five interleaved rounds.
pub(crate) const YIELDS_BEFORE_SLEEP: usize = 8;

/// The turns of one task.
#[derive(Debug)]
pub(crate) struct Turn {
    budget: Budget,
    /// The first reading of the clock in this turn.
    started: Option<Instant>,
    messages: usize,
    bytes: usize,
    /// The number of messages at which the clock is read next; 0 if the turn is known to be over.
    check_at: usize,
}

impl Turn {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            budget,
            started: None,
            messages: 0,
            bytes: 0,
            check_at: CLOCK_INTERVAL,
        }
    }

    /// Waits for `future`. If it is pending, other tasks run meanwhile, so a new turn begins.
    pub(crate) async fn wait<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let output = poll_fn(|cx| {
            let poll = future.as_mut().poll(cx);
            if poll.is_pending() {
                self.begin();
            }
            poll
        });
        output.await
    }

    #[inline]
    fn begin(&mut self) {
        self.started = None;
        (self.messages, self.bytes, self.check_at) = (0, 0, CLOCK_INTERVAL);
    }

    /// Counts messages.
    #[inline]
    pub(crate) fn spend(&mut self, messages: usize) {
        self.messages += messages;
    }

    /// Counts an operation, such as a system call, and the bytes that it has transferred.
    #[inline]
    pub(crate) fn spend_operation(&mut self, bytes: usize) {
        self.messages += OPERATION_COST;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Counts a request that is about to be handled. Its cost is unknown, so the clock is read after each request.
    pub(crate) fn spend_request(&mut self) {
        self.check_at = self.check_at.min(self.messages + OPERATION_COST);
        self.started.get_or_insert_with(Instant::now);
        self.messages += OPERATION_COST;
    }

    /// Whether the budget is exhausted.
    #[inline]
    pub(crate) fn is_exhausted(&mut self) -> bool {
        if faulty!(EndlessTurn) {
            return false;
        }
        self.messages >= self.check_at && self.check()
    }

    #[cold]
    fn check(&mut self) -> bool {
        let is_over = self.check_at == 0
            || self.messages >= self.budget.messages
            || self.bytes >= self.budget.bytes
            || self.started.get_or_insert_with(Instant::now).elapsed() >= self.budget.time;
        self.check_at = if is_over {
            0
        } else {
            self.messages + CLOCK_INTERVAL
        };
        is_over
    }

    /// Ends the turn, yields to all other ready tasks and to the runtime's I/O and timer drivers, and begins the next
    /// turn.
    pub(crate) async fn yield_now(&mut self) {
        yield_to_runtime().await;
        self.begin();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use tokio::task::yield_now;

    use super::*;

    const SMALL: Budget = Budget {
        messages: 10 * CLOCK_INTERVAL,
        bytes: 1000,
        time: Duration::from_micros(100),
    };

    /// A turn whose clock runs.
    fn begun() -> Turn {
        let mut turn = Turn::new(SMALL);
        turn.spend(CLOCK_INTERVAL);
        assert!(!turn.is_exhausted());
        turn
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_with_its_time() {
        let mut turn = begun();
        tokio::time::advance(SMALL.time).await;
        // A future that is ready at once begins no new turn.
        turn.wait(async {}).await;
        turn.spend(CLOCK_INTERVAL);
        assert!(turn.is_exhausted() && turn.is_exhausted());
        turn.yield_now().await;
        turn.spend(CLOCK_INTERVAL);
        assert!(!turn.is_exhausted());
        tokio::time::advance(SMALL.time).await;
        turn.wait(yield_now()).await;
        turn.spend(CLOCK_INTERVAL);
        assert!(!turn.is_exhausted());
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_stopped_clock_a_turn_ends_by_its_messages() {
        let mut turn = Turn::new(SMALL);
        let spent = (1..).find(|_| {
            turn.spend(1);
            turn.is_exhausted()
        });
        assert_eq!(spent, Some(SMALL.messages));
        turn.yield_now().await;
        assert!(!turn.is_exhausted());
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_that_takes_the_time_of_a_turn_ends_it() {
        let mut turn = Turn::new(SMALL);
        turn.spend_request();
        assert!(!turn.is_exhausted());
        turn.spend_request();
        tokio::time::advance(SMALL.time).await;
        assert!(turn.is_exhausted());
        turn.yield_now().await;
        turn.spend_request();
        tokio::time::advance(SMALL.time).await;
        assert!(turn.is_exhausted());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_by_its_bytes() {
        let mut turn = Turn::new(SMALL);
        (0..4).for_each(|_| turn.spend_operation(SMALL.bytes / 4));
        assert!(turn.is_exhausted());
        turn.yield_now().await;
        assert!(!turn.is_exhausted());
    }

    #[tokio::test]
    async fn a_task_that_is_woken_while_it_yields_still_yields() {
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = rounds.clone();
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        let turns = tokio::spawn(async move {
            let mut turn = begun();
            let before = rounds.load(Ordering::Relaxed);
            for _ in 0..10 {
                // As an answer to a request, which wakes the writer in the same task.
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    Poll::Ready(())
                })
                .await;
                turn.yield_now().await;
            }
            rounds.load(Ordering::Relaxed) - before
        });
        let had = turns.await.unwrap();
        assert!(had >= 10, "another task had {had} of 10 turns");
        other.abort();
    }
}
