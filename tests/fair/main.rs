//! Fairness with real sockets, threads and processes: what blocks, floods or stops holds up nobody else, nor does what
//! members and strangers do.
//!
//! Only Linux has all of 127/8 on its loopback device, and says in `/proc` what a process takes.
#![cfg(target_os = "linux")]
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
use tokio::sync::{Mutex, MutexGuard};

/// For tests that flood a node, and those that a flood beside them would disturb: held by one at a time.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Not a test: what the other processes run.
#[test]
fn child() {
    process::run(victim::run);
}
