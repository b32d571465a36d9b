//! The peer machine alone: random sequences of calls, compared with a simple model of its promises.
//!
//! A seed determines a sequence. `AEMP_SEEDS` is the number of sequences. The bytes of a fuzz target determine one as well.
#![cfg_attr(not(test), allow(dead_code))]

#[cfg(test)]
mod admission;
mod driver;
mod model;

use driver::Run;

/// Steps of one sequence.
const STEPS: usize = 400;

/// Runs the sequence that these bytes determine, for the fuzz target `peer`.
///
/// # Errors
/// The promise that the machine has broken.
pub fn run(bytes: &[u8]) -> Result<(), String> {
    Run::of_bytes(bytes, STEPS).map(drop)
}

#[test]
fn a_run_of_any_bytes_comes_to_an_end() {
    for len in 0..200 {
        for byte in [0, 1, 17, 25, 255] {
            assert_eq!(run(&vec![byte; len]), Ok(()));
        }
    }
}

#[cfg(test)]
fn seeds() -> u64 {
    let set = std::env::var("AEMP_SEEDS").ok();
    set.and_then(|seeds| seeds.parse().ok()).unwrap_or(500)
}

#[test]
fn a_peer_keeps_its_promises_in_any_order_of_calls() {
    let mut total = driver::Counts::default();
    for seed in 0..seeds() {
        match Run::of(seed, STEPS) {
            Ok(counts) => total += counts,
            Err(broken) => panic!("seed {seed}: {broken}"),
        }
    }
    println!("{total:?}");
    // The sequences cover all these events.
    assert!(total.delivered > 0 && total.fired > 0 && total.lost > 0 && total.closed > 0);
}

#[cfg(all(test, aemp_faults))]
mod faults {
    use crate::faults::{Fault, choose};

    use super::*;

    /// The faults in the machine; the others are in the code around it.
    const OF_THE_MACHINE: [Fault; 8] = [
        Fault::FiresLate,
        Fault::FiresNever,
        Fault::Swapped,
        Fault::LostAtReconnect,
        Fault::DeadGeneration,
        Fault::KillOvertakes,
        Fault::KeepsMonitors,
        Fault::UpTwice,
    ];

    #[test]
    fn each_deliberate_fault_of_the_machine_is_found() {
        for fault in OF_THE_MACHINE {
            choose(Some(fault));
            let found = (0..1000).find_map(|seed| Some((seed + 1, Run::of(seed, STEPS).err()?)));
            choose(None);
            let (sequences, how) = found.unwrap_or_else(|| panic!("{fault:?} is not found"));
            println!("{:<16} {sequences:>9}  {how}", format!("{fault:?}"));
        }
    }
}
