//! The real command in a real terminal: what it does there and nowhere else. A module a command.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod asking;
mod errors;
mod leaving;
mod paging;
mod progress;
mod shell;
mod top;
