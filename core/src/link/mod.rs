//! Links: the tasks that drive connections, one task per connection.
//!
//! `open` drives the handshake, `run` carries messages, `watch` detects a hung peer, `idle` closes an unused connection.
//! `connect`, `seed` and `listen` make connections, `dial` makes one, and `schedule` decides when each address is
//! dialled. The shared state of a peer is in [`peer`](crate::peer).

mod backlog;
mod connect;
mod deferred;
mod dial;
mod idle;
mod links;
mod listen;
mod nonces;
mod open;
mod reader;
mod run;
mod schedule;
mod seed;
mod shared;
mod watch;
mod writer;

use backlog::{Backlog, cleartext_limiter};
pub(crate) use connect::{connect_on_demand, parse_addresses};
pub(crate) use deferred::DeferredRequests;
pub(crate) use links::{Choices, DialPolicy, Host, Links};
pub(crate) use listen::accept_all;
use nonces::Nonces;
use seed::Seeds;
pub(crate) use seed::{Seed, add_seed, joined, remove_seed};
pub use seed::{SeedInfo, SeedState};
