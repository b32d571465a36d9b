//! Links: what drives a connection from its first byte to its last.
//!
//! `open` drives the handshake, `run` carries messages, `watch` notices a peer that hangs, `idle` ends what nobody needs.
//! `connect`, `seed` and `listen` make connections, `dial` one of them, and `turns` says when which address is tried. What
//! is shared about a peer is in [`peer`](crate::peer); here are the tasks, one for each connection.

mod connect;
mod dial;
mod door;
mod idle;
mod info;
mod listen;
mod nonces;
mod open;
mod pulse;
mod run;
mod seed;
mod shared;
mod turns;
mod watch;

pub(crate) use connect::connect_on_demand;
pub(crate) use door::{Door, cleartext_ration};
pub use info::LinkInfo;
pub(crate) use listen::accept_all;
pub(crate) use nonces::Nonces;
pub(crate) use open::settings;
pub(crate) use pulse::Pulse;
pub(crate) use seed::{Seed, Seeds, add_seed, joined, remove_seed};
pub use seed::{SeedInfo, SeedState};
