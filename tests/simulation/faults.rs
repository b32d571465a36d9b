//! The checker, checked: each deliberate fault is found, and without one nothing is.

use aemp::faults::{Fault, choose};

use crate::formation;
use crate::schedule::run;

/// Within so many schedules.
const WITHIN: u64 = 1000;

#[test]
fn each_deliberate_fault_is_found() {
    all_found(&Fault::GUARANTEE, |seed| run(seed).broken);
}

#[test]
fn each_deliberate_fault_of_the_directory_is_found() {
    all_found(&Fault::DIRECTORY, |seed| {
        formation::run(seed, crate::TWENTY).broken
    });
}

fn all_found(faults: &[Fault], run: impl Fn(u64) -> Option<String>) {
    let mut missed = Vec::new();
    println!("{:<16} {:>9}  rule", "fault", "schedules");
    for &fault in faults {
        let found = (0..WITHIN).find_map(|seed| {
            choose(Some(fault));
            let broken = run(seed);
            choose(None);
            Some((seed + 1, broken?))
        });
        match found {
            Some((schedules, how)) => {
                println!("{:<16} {schedules:>9}  {how}", format!("{fault:?}"))
            }
            None => missed.push(fault),
        }
    }
    assert!(
        missed.is_empty(),
        "not found within {WITHIN} schedules: {missed:?}"
    );
}

#[test]
fn without_a_fault_the_same_build_breaks_nothing() {
    for seed in 0..WITHIN {
        assert_eq!(run(seed).broken, None, "seed {seed}");
        if seed < 100 {
            assert_eq!(
                formation::run(seed, crate::TWENTY).broken,
                None,
                "network {seed}"
            );
        }
    }
}
