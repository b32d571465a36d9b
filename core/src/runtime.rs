//! How the tasks of a node share the runtime's threads.
//!
//! The runtime keeps a task that was woken for the thread of the one that woke it, and a task that yields for its own
//! thread, where no other takes them over. That is best for a message now and then. A node that is busy has more than
//! one task to run, and they should be where a thread without work finds them.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::yield_now;
use tokio::time::Instant;

/// Whether tasks of the runtime we are in can run on more than one thread.
fn has_threads() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// For a task that goes on and on, after it has woken another: by waking something else, the runtime puts that into
/// the place next in line, and the other where all threads find it.
#[cold]
pub(crate) fn make_way() {
    if has_threads() {
        tokio::spawn(async {});
    }
}

/// About how long a busy task goes on before others have their turn. To give one wakes a thread that sleeps, whether
/// there is something for it to do or not, which costs both as much as some dozen messages.
const TURN: Duration = Duration::from_micros(100);

/// After so many questions a turn is over, whatever the clock says: it may stand still.
const QUESTIONS: usize = 16;

/// How often a task steps back for the others on its thread before it yields.
const ROUND: usize = 16;

/// The turns that a busy task gives to others.
#[derive(Default)]
pub(crate) struct Turns {
    /// When this turn of the task's own began, if it has.
    since: Option<Instant>,
    questions: usize,
    given: usize,
}

impl Turns {
    /// The task waits, and others have their turn.
    #[inline]
    pub(crate) fn wait(&mut self) {
        self.since = None;
    }

    /// The task has something to do: its turn begins, unless it is in one.
    #[inline]
    pub(crate) fn work(&mut self) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.questions = 0;
        }
    }

    /// Whether others should have their turn: to be asked now and then.
    pub(crate) fn is_over(&mut self) -> bool {
        self.questions += 1;
        let is_long = |since: Instant| since.elapsed() >= TURN;
        self.questions >= QUESTIONS || self.since.is_none_or(is_long)
    }

    /// Lets others have their turn. Where there are threads, any of them takes the task over meanwhile, but every so
    /// often it yields as tokio has it: only then sockets, timers and others that yield have theirs for certain.
    pub(crate) async fn next(&mut self) {
        self.wait();
        self.given += 1;
        if self.given.is_multiple_of(ROUND) {
            yield_now().await;
        } else {
            step_back().await;
        }
        self.work();
    }
}

/// Goes to the end of the queue of this thread, where others find it.
pub(crate) async fn step_back() {
    if !has_threads() {
        return yield_now().await;
    }
    let mut back = false;
    poll_fn(|cx| {
        if back {
            return Poll::Ready(());
        }
        back = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_with_its_time() {
        let mut turns = Turns::default();
        turns.work();
        assert!(!turns.is_over());
        tokio::time::advance(TURN).await;
        // Work that goes on begins no turn of its own.
        turns.work();
        assert!(turns.is_over());
        turns.wait();
        turns.work();
        assert!(!turns.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_clock_stands_still_a_turn_ends_all_the_same() {
        let mut turns = Turns::default();
        turns.work();
        let questions = (1..).find(|_| turns.is_over());
        assert_eq!(questions, Some(QUESTIONS));
        turns.next().await;
        assert!(!turns.is_over());
    }
}
