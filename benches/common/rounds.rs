//! The same for work that is awaited: interleaved rounds, medians, ratios of pairs of the same round.

use std::future::Future;
use std::time::{Duration, Instant};

/// Times of several candidates, one each per round. The first round warms up and is not counted.
pub(crate) struct Bench {
    names: Vec<String>,
    times: Vec<Vec<Duration>>,
}

impl Bench {
    pub(crate) fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let times = names.iter().map(|_| Vec::new()).collect();
        Self { names, times }
    }

    /// Times one round of candidate `which`.
    pub(crate) async fn time<T>(&mut self, which: usize, run: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = run.await;
        self.times[which].push(start.elapsed());
        result
    }

    /// The same without a runtime.
    pub(crate) fn time_sync<T>(&mut self, which: usize, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = run();
        self.times[which].push(start.elapsed());
        result
    }

    fn counted(&self, which: usize) -> &[Duration] {
        self.times[which].get(1..).unwrap_or_default()
    }

    /// The median of the rates of `which`, relative to that of `base` in the same round.
    pub(crate) fn ratio(&self, base: usize, which: usize) -> f64 {
        let pairs = self.counted(base).iter().zip(self.counted(which));
        median(
            pairs
                .map(|(base, time)| base.as_secs_f64() / time.as_secs_f64())
                .collect(),
        )
    }

    /// The median of how many nanoseconds longer `which` takes than `base` in the same round.
    pub(crate) fn difference(&self, base: usize, which: usize) -> f64 {
        let pairs = self.counted(base).iter().zip(self.counted(which));
        median(
            pairs
                .map(|(base, time)| time.as_nanos() as f64 - base.as_nanos() as f64)
                .collect(),
        )
    }
}

/// Prints minimum, median and maximum of each candidate, per operation.
pub(crate) fn report(title: &str, bench: &Bench, operations: u64) {
    println!(
        "{title}, nanoseconds each ({} rounds):",
        bench.counted(0).len()
    );
    for (which, name) in bench.names.iter().enumerate() {
        let each: Vec<f64> = bench
            .counted(which)
            .iter()
            .map(|t| t.as_nanos() as f64 / operations as f64)
            .collect();
        let (min, max) = each.iter().fold((f64::MAX, 0.0f64), |(min, max), t| {
            (min.min(*t), max.max(*t))
        });
        println!(
            "  {name:<32} {:>10.1} (min {min:.1}, max {max:.1})",
            median(each)
        );
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
