//! The secret of a network: exchanged while the network runs, and shown nowhere.
#![allow(clippy::unwrap_used)]

mod exchange;
#[path = "../common/forms.rs"]
mod forms;
#[path = "../common/log.rs"]
mod log;
#[path = "../common/nodes.rs"]
mod nodes;
mod shown;
#[path = "../common/stranger.rs"]
mod stranger;
