//! Whole-system tests: nodes that talk to each other and to scripted peers.
#![allow(clippy::unwrap_used)]

mod addresses;
mod answers;
mod backlog;
mod calls;
mod cbor;
#[path = "../../examples/codec_msgpack.rs"]
#[allow(dead_code, reason = "of the example, this is about the format alone")]
mod codec_msgpack;
mod common;
mod dialled;
mod directory;
mod failures;
mod fair;
mod formats;
mod gaps;
mod held;
mod hung;
mod idle;
mod links;
#[path = "../common/log.rs"]
mod log;
mod logged;
mod misfits;
mod moved;
mod nested;
mod network;
#[path = "../common/nodes.rs"]
mod nodes;
mod orphans;
mod outgoing;
mod overload;
mod panics;
mod perl;
#[path = "../common/pipe.rs"]
mod pipe;
mod policy;
mod reasons;
mod relays;
mod rivals;
#[path = "../common/stranger.rs"]
mod scripted;
mod secured;
mod seeds;
mod stranger;
mod supervised;
mod tapped;
mod times;
mod told;
mod typed;
