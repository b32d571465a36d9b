//! Whole-system tests: nodes that talk to each other and to scripted peers.
#![allow(clippy::unwrap_used)]

mod addresses;
mod cbor;
mod common;
mod dialled;
mod failures;
mod gaps;
mod hung;
mod idle;
mod links;
#[path = "../common/log.rs"]
mod log;
mod misfits;
mod network;
mod orphans;
mod overload;
mod panics;
#[path = "../common/pipe.rs"]
mod pipe;
mod rivals;
mod seeds;
mod stranger;
mod supervised;
mod tapped;
mod times;
