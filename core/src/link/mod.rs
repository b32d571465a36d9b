//! Links: what drives a connection from its first byte to its last.
//!
//! `open` drives the handshake, `run` carries messages, `watch` notices a peer that hangs, `idle` ends what nobody needs.
//! `connect`, `seed` and `listen` make connections, `dial` one of them, and `turns` says when which address is tried. What
//! is shared about a peer is in [`peer`](crate::peer); here are the tasks, one for each connection.

mod connect;
mod dial;
mod door;
mod held;
mod idle;
mod links;
mod listen;
mod nonces;
mod open;
mod reader;
mod run;
mod seed;
mod shared;
mod turns;
mod watch;
mod writer;

pub(crate) use connect::connect_on_demand;
use door::{Door, cleartext_ration};
pub(crate) use held::Held;
pub(crate) use links::{Choices, DialPolicy, Host, Links};
pub(crate) use listen::accept_all;
use nonces::Nonces;
use seed::Seeds;
pub(crate) use seed::{Seed, add_seed, joined, remove_seed};
pub use seed::{SeedInfo, SeedState};
