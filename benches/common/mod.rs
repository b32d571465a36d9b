//! Measuring by comparison: cases that do the same work run in turn, round after round, so that whatever else the
//! machine does hits all of them; what counts is the ratio of their medians, never a time.

// Each bench takes what it needs.
#![allow(dead_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

pub(crate) mod cbor;
pub(crate) mod memory;
pub(crate) mod outcome;
pub(crate) mod rounds;
pub(crate) mod stranger;
pub(crate) mod traffic;

/// One way of doing the work.
pub(crate) struct Case<'a> {
    name: String,
    work: Box<dyn FnMut() + 'a>,
}

impl<'a> Case<'a> {
    /// A way called `name`, of which `work` does one operation.
    pub(crate) fn new<R>(name: impl Into<String>, mut work: impl FnMut() -> R + 'a) -> Self {
        Self {
            name: name.into(),
            work: Box::new(move || {
                black_box(work());
            }),
        }
    }
}

/// How many rounds: an odd number, so that the median is one of them.
const ROUNDS: usize = 15;

/// About how long one case runs in one round.
const ROUND: Duration = Duration::from_millis(20);

/// Runs the cases in turn and prints a line for each: the median time of an operation, its ratio to that of the
/// first case, and the least and greatest ratio that a single round showed. Returns the ratios.
pub(crate) fn compare(title: &str, mut cases: Vec<Case<'_>>) -> Vec<f64> {
    println!("\n{title}");
    let repeats = repeats(&mut cases[0]);
    let mut times = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for _ in 0..ROUNDS {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(time(case, repeats).as_secs_f64() / f64::from(repeats));
        }
    }
    let base = median(&times[0]);
    let mut ratios = Vec::new();
    for (case, own) in cases.iter().zip(&times) {
        let mid = median(own);
        let rounds = || own.iter().zip(&times[0]).map(|(own, first)| own / first);
        let least = rounds().fold(f64::INFINITY, f64::min);
        let most = rounds().fold(0.0, f64::max);
        let ns = mid * 1e9;
        let ratio = mid / base;
        println!(
            "  {:<44} {ns:>12.1} ns  {ratio:>6.2}x  ({least:.2} to {most:.2})",
            case.name
        );
        ratios.push(ratio);
    }
    ratios
}

/// How often the work fits into one round. Doubles as the warm-up.
fn repeats(case: &mut Case<'_>) -> u32 {
    let mut repeats = 1;
    loop {
        let took = time(case, repeats);
        if took >= ROUND || repeats >= 1 << 28 {
            return repeats;
        }
        repeats *= 2;
    }
}

fn time(case: &mut Case<'_>, repeats: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..repeats {
        (case.work)();
    }
    start.elapsed()
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
