//! The secret of a network: exchanged while the network runs.
#![allow(clippy::unwrap_used)]

mod exchange;
#[path = "../common/log.rs"]
mod log;
#[path = "../common/nodes.rs"]
mod nodes;
