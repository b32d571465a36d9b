//! The simulation: whole clusters of nodes in one thread, on a simulated clock, over a network that breaks, with a model
//! that checks the guarantee (docs/guarantee.md) after every step.
//!
//! `formation` does the same for the directory (docs/network.md), with networks of twenty and of two hundred nodes.
//!
//! A seed decides everything. `AEMP_SEEDS=N cargo test --release --test simulation` runs N schedules, and
//! `AEMP_SEED=S` one, with its history; both together run N from S on; `AEMP_NETWORKS` is for networks what `AEMP_SEEDS` is. Tokio's paused clock and our own transport make it deterministic; libraries that
//! bring a network of their own (turmoil, madsim) would have to stand in for tokio's, where our transports are traits.
#![allow(clippy::unwrap_used)]

mod cluster;
mod costs;
#[cfg(aemp_faults)]
mod faults;
mod flood;
mod formation;
mod model;
mod network;
mod panics;
mod random;
mod schedule;
mod stranger;
mod traced;
mod watches;
mod wire;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schedule::{Outcome, run};

/// How many lines of a failed schedule's history are shown.
const SHOWN: usize = 400;

/// A runtime of one thread on a simulated clock.
fn simulated() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

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
    let (from, seeds) = (number("AEMP_SEED"), number("AEMP_SEEDS"));
    if let (Some(seed), None) = (from, seeds) {
        let outcome = run(seed);
        show(&outcome.history);
        println!("faults: {:?}", outcome.faults);
        if let Some(why) = &outcome.broken {
            fail(seed, &outcome, why);
        }
        return;
    }
    let (from, seeds) = (from.unwrap_or(0), seeds.unwrap_or(200));
    let end = from.saturating_add(seeds);
    let next = Arc::new(AtomicU64::new(from));
    let totals = Arc::new(Mutex::new(Totals::default()));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (next, totals) = (next.clone(), totals.clone());
            std::thread::spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(seed);
                    if let Some(why) = &outcome.broken {
                        // The others need not go on.
                        next.store(end, Ordering::Relaxed);
                        fail(seed, &outcome, why);
                    }
                    totals.lock().unwrap().add(seed, &outcome);
                }
            })
        })
        .collect();
    let failed = workers.into_iter().filter_map(|worker| worker.join().err());
    if let Some(failure) = failed.last() {
        std::panic::resume_unwind(failure);
    }
    totals.lock().unwrap().print(from, seeds);
}

/// What came of all schedules.
#[derive(Default)]
struct Totals {
    faults: BTreeMap<&'static str, u64>,
    delivered: u64,
    fired: u64,
    /// Of all histories, whatever the order in which they end: the same everywhere.
    digest: u64,
}

impl Totals {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.delivered += outcome.delivered;
        self.fired += outcome.fired;
        for (fault, count) in &outcome.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        // FNV-1a: of no meaning but that equal histories have equal numbers.
        let bytes = outcome.history.iter().flat_map(|line| line.bytes());
        let digest = bytes.fold(seed ^ 0xcbf2_9ce4_8422_2325, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.digest = self.digest.wrapping_add(digest);
    }

    fn print(&self, from: u64, seeds: u64) {
        let Self {
            delivered,
            fired,
            digest,
            ..
        } = self;
        println!(
            "{seeds} schedules from seed {from}: {delivered} messages delivered, {fired} monitors fired, histories {digest:016x}; faults:"
        );
        for (fault, count) in &self.faults {
            println!("{count:>8} {fault}");
        }
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

/// Networks of twenty nodes, four of them global.
const TWENTY: formation::Shape = formation::Shape {
    nodes: 20,
    globals: 4,
    entries: 5,
    steps: 40,
    watches: true,
    monitor_timeout: formation::MONITOR_TIMEOUT,
};

#[test]
fn a_directory_converges_whatever_happens() {
    let (from, seeds) = (number("AEMP_SEED"), number("AEMP_NETWORKS"));
    if let (Some(seed), None) = (from, seeds) {
        let outcome = formation::run(seed, TWENTY);
        show(&outcome.history);
        println!(
            "{:?} after the faults; {:?}",
            outcome.healed, outcome.faults
        );
        assert_eq!(outcome.broken, None);
        return;
    }
    let from = from.unwrap_or(0);
    let end = from + seeds.unwrap_or(20);
    let next = Arc::new(AtomicU64::new(from));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let next = next.clone();
            std::thread::spawn(move || {
                let (mut slowest, mut faults) = (Duration::ZERO, BTreeMap::new());
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return (slowest, faults);
                    }
                    let outcome = formation::run(seed, TWENTY);
                    if let Some(why) = outcome.broken {
                        next.store(end, Ordering::Relaxed);
                        show(&outcome.history);
                        panic!(
                            "network {seed}: {why}\nto see it again: AEMP_SEED={seed} cargo test --release --test \
                             simulation a_directory_converges -- --nocapture"
                        );
                    }
                    slowest = slowest.max(outcome.healed);
                    for (fault, count) in outcome.faults {
                        *faults.entry(fault).or_insert(0) += count;
                    }
                }
            })
        })
        .collect();
    let mut faults = BTreeMap::<&str, u64>::new();
    let mut slowest = Duration::ZERO;
    for worker in workers {
        match worker.join() {
            Ok((time, some)) => {
                slowest = slowest.max(time);
                some.into_iter()
                    .for_each(|(fault, count)| *faults.entry(fault).or_default() += count);
            }
            Err(failure) => std::panic::resume_unwind(failure),
        }
    }
    println!(
        "{} networks of {} nodes: all agree at most {slowest:?} after the faults (monitor_timeout {:?}); {faults:?}",
        end - from,
        TWENTY.nodes,
        formation::MONITOR_TIMEOUT,
    );
}

#[test]
fn two_hundred_nodes_lose_three_global_ones_fall_in_two_and_agree_again() {
    // In a build without optimisation it takes minutes.
    let (nodes, entries) = match cfg!(debug_assertions) {
        true => (30, 10),
        false => (200, 100),
    };
    let shape = formation::Shape {
        nodes,
        globals: 10,
        entries,
        steps: 0,
        ..TWENTY
    };
    let outcome = formation::disaster(1, shape);
    if let Some(why) = outcome.broken {
        show(&outcome.history);
        panic!("{why}");
    }
    println!(
        "{nodes} nodes agree {:?} after the network came together",
        outcome.healed
    );
}
