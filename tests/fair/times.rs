//! How long answers took.

use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn worst(&self) -> Duration {
        self.0.iter().copied().max().expect("an answer")
    }
}

impl Extend<Duration> for Times {
    fn extend<T: IntoIterator<Item = Duration>>(&mut self, times: T) {
        self.0.extend(times);
    }
}

impl Display for Times {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut sorted = self.0.clone();
        sorted.sort();
        let (count, median, worst) = (sorted.len(), sorted[sorted.len() / 2], self.worst());
        write!(f, "{count}, median {median:.1?}, worst {worst:.1?}")
    }
}
