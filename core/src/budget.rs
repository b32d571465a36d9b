//! `Budget`: how much a task of a node does before other tasks have their turn.
//!
//! A task of a shard or a link always finds more to do while senders are faster than it is. Its work is divided into
//! turns. A turn ends by messages, bytes or time, whichever is used up first, and then the task yields.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::yield_to_runtime;

/// What one turn may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Messages. A turn ends with them even where the clock stands still, as it does in a simulation.
    messages: usize,
    bytes: usize,
    time: Duration,
}

/// Messages after which the clock is read, which costs as much as a message does at a shard. A turn's time begins with
/// the first look, so that a turn with little to do reads no clock.
const LOOK: usize = 256;

/// As so many messages a system call or a request counts.
const MUCH: usize = LOOK / 4;

impl Budget {
    /// A shard. Yielding wakes a thread that sleeps, whether there is work for it or not, which costs as much as some
    /// dozen messages.
    pub(crate) const SHARD: Self = Self {
        messages: 16 * LOOK,
        bytes: usize::MAX,
        time: Duration::from_micros(100),
    };

    /// One direction of a link. Far fewer system calls than the runtime allows a task in one poll (128), so that the
    /// other direction, the timers and the cancellation of the link have theirs in the same poll.
    pub(crate) const LINK: Self = Self {
        messages: 32 * MUCH,
        bytes: 1 << 20,
        time: Duration::from_micros(500),
    };

    /// What is done in one go under the directory's lock.
    pub(crate) const DIRECTORY: Self = Self {
        messages: 64 * MUCH,
        bytes: usize::MAX,
        time: Duration::from_micros(500),
    };
}

/// How often a task that was busy yields and looks again before it sleeps: to be woken costs its senders more than many
/// messages, and the longer it is away the more it finds.
///
/// What this brings: messages to another node pass at 1.15 of the rate of a loop by hand instead of 0.99 (JSON), and at
/// 0.85 instead of 0.67 (CBOR); `benches/remote`, medians of five rounds in turn.
pub(crate) const LOOKS: usize = 8;

/// The turns of one task.
#[derive(Debug)]
pub(crate) struct Turn {
    budget: Budget,
    /// When the clock was read first.
    since: Option<Instant>,
    messages: usize,
    bytes: usize,
    /// At so many messages the clock is read next; at 0 the turn is known to be over.
    look_at: usize,
}

impl Turn {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            budget,
            since: None,
            messages: 0,
            bytes: 0,
            look_at: LOOK,
        }
    }

    /// Waits for `future`. Where that takes time, others have their turn meanwhile, and the next turn begins.
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
        self.since = None;
        (self.messages, self.bytes, self.look_at) = (0, 0, LOOK);
    }

    /// Counts messages.
    #[inline]
    pub(crate) fn spend(&mut self, messages: usize) {
        self.messages += messages;
    }

    /// Counts an operation that may cost as much as many messages, and the bytes that it has moved.
    #[inline]
    pub(crate) fn spend_much(&mut self, bytes: usize) {
        self.messages += MUCH;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Counts a request that is about to be handled, which may cost anything: the clock is read after each.
    pub(crate) fn spend_request(&mut self) {
        self.look_at = self.look_at.min(self.messages + MUCH);
        self.since.get_or_insert_with(Instant::now);
        self.messages += MUCH;
    }

    /// Whether the budget is used up.
    #[inline]
    pub(crate) fn is_over(&mut self) -> bool {
        #[cfg(aemp_faults)]
        if aemp_proto::faults::is(aemp_proto::faults::Fault::EndlessTurn) {
            return false;
        }
        self.messages >= self.look_at && self.look()
    }

    #[cold]
    fn look(&mut self) -> bool {
        let is_over = self.look_at == 0
            || self.messages >= self.budget.messages
            || self.bytes >= self.budget.bytes
            || self.since.get_or_insert_with(Instant::now).elapsed() >= self.budget.time;
        self.look_at = if is_over { 0 } else { self.messages + LOOK };
        is_over
    }

    /// Ends the turn, lets every other task that is ready run, and sockets and timers be looked at, and begins the
    /// next turn.
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
        messages: 10 * LOOK,
        bytes: 1000,
        time: Duration::from_micros(100),
    };

    /// A turn whose clock runs.
    fn begun() -> Turn {
        let mut turn = Turn::new(SMALL);
        turn.spend(LOOK);
        assert!(!turn.is_over());
        turn
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_with_its_time() {
        let mut turn = begun();
        tokio::time::advance(SMALL.time).await;
        // What takes no time begins no turn of its own.
        turn.wait(async {}).await;
        turn.spend(LOOK);
        assert!(turn.is_over() && turn.is_over());
        turn.yield_now().await;
        turn.spend(LOOK);
        assert!(!turn.is_over());
        tokio::time::advance(SMALL.time).await;
        turn.wait(yield_now()).await;
        turn.spend(LOOK);
        assert!(!turn.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_clock_stands_still_a_turn_ends_by_its_messages() {
        let mut turn = Turn::new(SMALL);
        let spent = (1..).find(|_| {
            turn.spend(1);
            turn.is_over()
        });
        assert_eq!(spent, Some(SMALL.messages));
        turn.yield_now().await;
        assert!(!turn.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_that_takes_the_time_of_a_turn_ends_it() {
        let mut turn = Turn::new(SMALL);
        turn.spend_request();
        assert!(!turn.is_over());
        turn.spend_request();
        tokio::time::advance(SMALL.time).await;
        assert!(turn.is_over());
        turn.yield_now().await;
        turn.spend_request();
        tokio::time::advance(SMALL.time).await;
        assert!(turn.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_by_its_bytes() {
        let mut turn = Turn::new(SMALL);
        (0..4).for_each(|_| turn.spend_much(SMALL.bytes / 4));
        assert!(turn.is_over());
        turn.yield_now().await;
        assert!(!turn.is_over());
    }

    #[tokio::test]
    async fn a_task_that_is_woken_meanwhile_gives_way_all_the_same() {
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
                // As an answer to a request does, which wakes the writer in the same task.
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
