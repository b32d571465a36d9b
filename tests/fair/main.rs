//! Fairness with real sockets, threads and processes: what blocks, floods or stops holds up nobody else, nor does what
//! members and strangers do.
#![allow(clippy::unwrap_used)]

mod blocks;
mod flooder;
mod floods;
mod held;
#[path = "../common/log.rs"]
mod log;
mod named;
#[path = "../common/nodes.rs"]
mod nodes;
#[path = "../common/process.rs"]
mod process;
mod socket;
#[path = "../common/stranger.rs"]
mod stranger;
mod strangers;
mod times;
mod victim;

use nodes::{SECRET, link, port, soon};

/// Not a test: what the other processes run.
#[test]
fn child() {
    process::run(victim::run);
}
