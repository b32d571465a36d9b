//! The distributed directory (protocol.md section 6) as a state machine: families of keys and values that all nodes of a
//! network see, and the roles that nodes play for it.
//!
//! It does no I/O, starts no task and reads no clock. [`Machine`] is told what happens, with the time, and asked for
//! what is to be done; the driver does the rest. In which order: any `handle_*` or call, then
//! [`poll_output`](Machine::poll_output) until it gives nothing, then wait until
//! [`poll_timeout`](Machine::poll_timeout) for [`handle_timeout`](Machine::handle_timeout).
//!
//! | file | holds |
//! | --- | --- |
//! | `machine` | `Machine`: peers that come and go, roles |
//! | `output`, `settings` | `Output`, what the machine asks its driver to do; `Settings`, what the driver tells it once |
//! | `global` | the global role: slaves, other global nodes, the network's watches and queries |
//! | `slave` | the slave role: the master, open questions, what it answers |
//! | `local` | what programs on this node do: set, delete, ask, watch |
//! | `work` | what may be large, done in pieces: taking what a node holds, and forgetting it |
//! | `settle` | the time in which a new global node does not know yet what others hold |
//! | `silence` | what is done about a global node that does not tell what it holds |
//! | `store`, `entry` | who holds what, and which value of a key is seen |
//! | `outgoing`, `sending`, `outlet`, `pieces` | what goes out: changes, paced, and what is large, piece by piece |
//! | `mesh` | which global nodes to connect to, and when |
//! | `watched` | what programs have been told of a family |
//! | `request`, `name`, `limits` | the words on the wire, what may stand in an entry, how much a peer may hold |
//! | `left` | entries that are refused alone |

mod entry;
mod global;
mod left;
mod limits;
mod local;
mod machine;
mod mesh;
mod name;
mod outgoing;
mod outlet;
mod output;
mod pieces;
mod request;
mod sending;
mod settings;
mod settle;
mod silence;
mod slave;
mod store;
#[cfg(test)]
mod tests;
mod watched;
mod work;

pub use limits::DirectoryLimits;
pub use local::Refused;
pub use machine::{Arrival, Machine, Role, Seeds};
pub use name::{LISTENERS, is_family, is_known_family};
pub use output::{Level, Output};
pub use request::{Query, Request, Update, is_question};
pub use settings::Settings;
pub use watched::Change;
