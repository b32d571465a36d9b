//! The recorded sessions of AnyEvent::MP nodes against whole nodes of ours, which take the place of each side in
//! turn.
#![allow(clippy::unwrap_used)]

mod decrypted;
mod directory;
mod opening;
mod own_seed;
#[path = "../common/pipe.rs"]
mod pipe;
mod program;
mod programs;
mod recording;
mod relay;
mod replay;
mod rivals;
mod rules;
mod script;
mod strangers;
mod table;
mod tapped;
mod values;
