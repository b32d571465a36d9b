//! The simulation: whole clusters of nodes in one thread, on a simulated clock, over a network that breaks, with a model
//! that checks the guarantee (docs/guarantee.md) after every step.
//!
//! A seed decides everything. `AEMP_SEEDS=N cargo test --release --test simulation` runs N schedules, and
//! `AEMP_SEED=S` one, with its history. Tokio's paused clock and our own transport make it deterministic; libraries that
//! bring a network of their own (turmoil, madsim) would have to stand in for tokio's, where our transports are traits.
#![allow(clippy::unwrap_used)]

mod cluster;
#[cfg(aemp_faults)]
mod faults;
mod model;
mod network;
mod random;
mod schedule;
mod stranger;
mod watches;
mod wire;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use schedule::{Outcome, run};

/// How many lines of a failed schedule's history are shown.
const SHOWN: usize = 400;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
    )
}

/// Shows the end of a history.
fn show(history: &[String]) {
    let from = history.len().saturating_sub(SHOWN);
    if from > 0 {
        println!("({from} lines before)");
    }
    history[from..].iter().for_each(|line| println!("{line}"));
}

fn fail(seed: u64, outcome: &Outcome, why: &str) -> ! {
    show(&outcome.history);
    panic!(
        "seed {seed} breaks the guarantee: {why}\nto see it again: AEMP_SEED={seed} cargo test --release --test \
         simulation the_promise -- --nocapture"
    );
}

#[test]
fn the_promise_holds_whatever_happens() {
    if let Some(seed) = number("AEMP_SEED") {
        let outcome = run(seed);
        show(&outcome.history);
        println!("faults: {:?}", outcome.faults);
        if let Some(why) = &outcome.broken {
            fail(seed, &outcome, why);
        }
        return;
    }
    let seeds = number("AEMP_SEEDS").unwrap_or(200);
    let next = Arc::new(AtomicU64::new(0));
    let totals = Arc::new(Mutex::new((BTreeMap::<&'static str, u64>::new(), 0, 0)));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (next, totals) = (next.clone(), totals.clone());
            std::thread::spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let outcome = run(seed);
                    if let Some(why) = &outcome.broken {
                        // The others need not go on.
                        next.store(seeds, Ordering::Relaxed);
                        fail(seed, &outcome, why);
                    }
                    let mut totals = totals.lock().unwrap();
                    totals.1 += outcome.delivered;
                    totals.2 += outcome.fired;
                    for (fault, count) in outcome.faults {
                        *totals.0.entry(fault).or_default() += count;
                    }
                }
            })
        })
        .collect();
    let failed = workers.into_iter().filter_map(|worker| worker.join().err());
    if let Some(failure) = failed.last() {
        std::panic::resume_unwind(failure);
    }
    let (faults, delivered, fired) = &*totals.lock().unwrap();
    println!("{seeds} schedules, {delivered} messages delivered, {fired} monitors fired; faults:");
    for (fault, count) in faults {
        println!("{count:>8} {fault}");
    }
}

#[test]
fn a_seed_means_the_same_history_every_time() {
    let seeds = number("AEMP_SEEDS").map_or(20, |seeds| seeds.min(100));
    for seed in 0..seeds {
        let (first, second) = (run(seed), run(seed));
        let differs = first
            .history
            .iter()
            .zip(&second.history)
            .position(|(first, second)| first != second);
        if let Some(at) = differs {
            panic!(
                "seed {seed}, line {at}: {:?} the first time, {:?} the second",
                first.history[at], second.history[at]
            );
        }
        assert_eq!(first.history.len(), second.history.len(), "seed {seed}");
    }
}
