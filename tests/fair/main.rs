//! Fairness with real sockets, threads and processes: what blocks, floods or stops holds up nobody else, nor does what
//! members and strangers do.
#![allow(clippy::unwrap_used)]

mod blocks;
#[path = "../common/log.rs"]
mod log;
mod named;
#[path = "../common/nodes.rs"]
mod nodes;
mod socket;
#[path = "../common/stranger.rs"]
mod stranger;
mod strangers;

use nodes::{SECRET, link, port, soon};
