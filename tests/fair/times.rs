//! How long the node under attack takes, on a machine that may have other work.

use std::collections::HashMap;
use std::fmt::{Display, Formatter, Result};
use std::time::{Duration, Instant};

/// A moment in the life of a process.
pub(crate) struct Moment {
    at: Instant,
    /// How long each of its threads was ready so far and had no core.
    waited: HashMap<String, Duration>,
}

/// How long something took, and how much of that is due to the process: not what one of its threads waited for a core.
#[derive(Clone, Copy)]
pub(crate) struct Took {
    clock: Duration,
    own: Duration,
}

impl Moment {
    pub(crate) fn now(process: u32) -> Self {
        let at = Instant::now();
        let waited = waited(process).unwrap_or_default();
        Self { at, waited }
    }

    /// Nothing where it ended before: another thread may have seen its end first.
    pub(crate) fn until(&self, end: &Self) -> Took {
        let waited = end.waited.iter().map(|(thread, waited)| {
            let before = self.waited.get(thread).copied().unwrap_or_default();
            waited.saturating_sub(before)
        });
        let clock = end.at.saturating_duration_since(self.at);
        let own = clock.saturating_sub(waited.max().unwrap_or_default());
        Took { clock, own }
    }
}

/// What the system says of the threads of a process; nothing where it does not.
fn waited(process: u32) -> Option<HashMap<String, Duration>> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let waited = threads.filter_map(|thread| {
        let thread = thread.ok()?;
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let waited = stat.split_whitespace().nth(1)?.parse().ok()?;
        let id = thread.file_name().into_string().ok()?;
        Some((id, Duration::from_nanos(waited)))
    });
    Some(waited.collect())
}

impl Took {
    pub(crate) fn own(self) -> Duration {
        self.own
    }
}

/// By the clock.
impl Display for Took {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:.1?}", self.clock)
    }
}

#[derive(Default)]
pub(crate) struct Times(Vec<Took>);

impl Times {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The longest that is due to the process.
    pub(crate) fn worst(&self) -> Duration {
        self.0.iter().map(|took| took.own).max().expect("a time")
    }
}

impl Extend<Took> for Times {
    fn extend<T: IntoIterator<Item = Took>>(&mut self, times: T) {
        self.0.extend(times);
    }
}

/// By the clock.
impl Display for Times {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut sorted: Vec<_> = self.0.iter().map(|took| took.clock).collect();
        sorted.sort();
        let (count, median, worst) = (sorted.len(), sorted[sorted.len() / 2], sorted.last());
        let worst = worst.expect("a time");
        write!(f, "{count}, median {median:.1?}, worst {worst:.1?}")
    }
}
