//! Hostile input, written by hand from the RFCs: one table of inputs with their outcomes, for the decoders and for a node
//! behind a socket.
#![allow(clippy::unwrap_used)]

mod corpus;
mod decoders;
#[path = "../common/nodes.rs"]
mod nodes;
mod sockets;
#[path = "../common/stranger.rs"]
mod stranger;
