//! The line on a terminal that says what is waited for, and how long at most. It is there after a moment only, and gone
//! before anything else is printed.
//!
//! Shared by all that wait at once: the waits that have been shown, under the lock of [`SHOWN`].

use std::io::{self, Write};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::terminal;

/// What ends sooner is not worth a word.
const MOMENT: Duration = Duration::from_millis(300);

static SHOWN: Mutex<Shown> = Mutex::new(Shown {
    waits: Vec::new(),
    drawn: false,
});

struct Shown {
    waits: Vec<Wait>,
    drawn: bool,
}

struct Wait {
    target: String,
    since: Instant,
    limit: Duration,
}

tokio::task_local! {
    /// There where what is waited for is nobody's business.
    static QUIET: ();
}

/// Does `work` without a line, whatever it waits for.
pub(crate) async fn quietly<T>(work: impl Future<Output = T>) -> T {
    QUIET.scope((), work).await
}

/// Waits for `work`, which gives up by itself after `limit`, and meanwhile says on a terminal that `target` has not
/// answered.
pub(crate) async fn during<T>(
    target: &str,
    limit: Duration,
    work: impl IntoFuture<Output = T>,
) -> T {
    if !terminal::rewrites_lines() || QUIET.try_with(|()| ()).is_ok() {
        return work.await;
    }
    let since = Instant::now();
    let mut work = pin!(work.into_future());
    if let Ok(done) = timeout(MOMENT, &mut work).await {
        return done;
    }
    let _line = Line::of(Wait {
        target: target.to_owned(),
        since,
        limit,
    });
    loop {
        shown().draw();
        // The number changes when a whole second is left.
        let left = limit.saturating_sub(since.elapsed());
        let next = Duration::from_nanos(u64::from(left.subsec_nanos()) + 1);
        if let Ok(done) = timeout(next, &mut work).await {
            return done;
        }
    }
}

/// Takes the line away, for something else to be printed. It comes back by itself if the wait goes on.
pub(crate) fn clear() {
    shown().clear();
}

fn shown() -> MutexGuard<'static, Shown> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait that is among the shown ones until this is dropped.
struct Line(Instant);

impl Line {
    fn of(wait: Wait) -> Self {
        let since = wait.since;
        shown().waits.push(wait);
        Self(since)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut shown = shown();
        let found = shown.waits.iter().position(|wait| wait.since == self.0);
        found.map(|at| shown.waits.remove(at));
        shown.clear();
    }
}

impl Shown {
    fn draw(&mut self) {
        let Some(text) = text(&self.waits, Instant::now()) else {
            return;
        };
        // Without wrapping, so that what is longer than the line is cut and one line is all there is to erase.
        let line = format!("\r\x1b[?7l\x1b[K{text}\x1b[?7h");
        self.drawn = io::stderr().write_all(line.as_bytes()).is_ok();
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// The line for what is waited for.
fn text(waits: &[Wait], now: Instant) -> Option<String> {
    let left = |wait: &Wait| wait.limit.saturating_sub(now - wait.since);
    let next = waits.iter().min_by_key(|wait| left(wait))?;
    let seconds = left(next).as_secs_f64().ceil();
    let others = match waits.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    Some(format!(
        "waiting up to {seconds} s for {}{others}",
        next.target
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_gives_up_next() {
        let since = Instant::now();
        let wait = |target: &str, limit| Wait {
            target: target.into(),
            since,
            limit: Duration::from_millis(limit),
        };
        let at = |ms, waits: &[Wait]| text(waits, since + Duration::from_millis(ms)).unwrap();
        let one = [wait("seed#echo", 5000)];
        assert_eq!(at(0, &one), "waiting up to 5 s for seed#echo");
        assert_eq!(at(300, &one), "waiting up to 5 s for seed#echo");
        assert_eq!(at(4001, &one), "waiting up to 1 s for seed#echo");
        assert_eq!(at(6000, &one), "waiting up to 0 s for seed#echo");
        let three = [wait("a", 5000), wait("b", 2500), wait("c", 4000)];
        assert_eq!(at(600, &three), "waiting up to 2 s for b and 2 more");
        assert!(text(&[], since).is_none());
    }
}
