//! The distributed directory ([protocol.md section 6]) as a state machine: families of keys and values that all nodes of a
//! network see, and the roles that nodes have in it.
//!
//! The machine does no I/O, starts no task and reads no clock. The driver passes events and the time to a [`Machine`] and
//! performs its outputs, in this order: call any `handle_*` or other method, call
//! [`poll_output`](Machine::poll_output) until it returns `None`, then wait until
//! [`poll_timeout`](Machine::poll_timeout) and call [`handle_timeout`](Machine::handle_timeout).
//!
//! # Terms
//!
//! * An *entry* is a key of a family with a value. A node *holds* the entries that it has set. Several nodes can hold the
//!   same key; the *visible* value is the one of them that queries and watchers get.
//! * *Our entries* are those that this node and its slaves hold. A slave sends its own to its master, a global node sends
//!   its own to the other global nodes.
//! * A node *watches* a family: it gets the content, and changes from then on.
//!
//! | file | holds |
//! | --- | --- |
//! | `machine` | `Machine`: connections, roles, dispatch of requests |
//! | `output`, `settings` | `Output`: what the driver has to do; `Settings`: limits and sizes |
//! | `global` | the global role: slaves, other global nodes, watches and queries of peers |
//! | `slave` | the slave role: the master, open queries, the master's answers |
//! | `local` | the calls of programs on this node: set, delete, ask, watch |
//! | `work` | long tasks within a budget: replacing and deleting the entries of a node |
//! | `settle` | the time in which a new global node waits for the entries of the other global nodes |
//! | `silence` | global nodes that do not send their entries |
//! | `store`, `entry` | all entries by key and by holder; the choice of the visible value |
//! | `outgoing`, `backlog`, `outlet`, `batch` | what is sent: coalesced changes, and large content one message at a time |
//! | `mesh` | the other global nodes, and when to connect to them |
//! | `watched` | the content of a family as the programs on this node know it |
//! | `request`, `name`, `limits` | requests on the wire, valid names and values, how much a peer may hold |
//! | `rejected` | entries of a request that are rejected one by one |
//!
//! [protocol.md section 6]: crate::protocol#6-seeds-global-nodes-the-directory

mod backlog;
mod batch;
mod entry;
mod global;
mod limits;
mod local;
mod machine;
mod mesh;
mod name;
mod outgoing;
mod outlet;
mod output;
mod rejected;
mod request;
mod settings;
mod settle;
mod silence;
mod slave;
mod store;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod tests;
mod watched;
mod work;

pub use limits::DirectoryLimits;
pub use local::Refused;
pub use machine::{Arrival, Machine, Role, Seeds};
pub use name::{LISTENERS, is_family, is_known_family};
pub use output::{Level, Output};
pub use request::{QueryKind, Request, Update, is_question};
pub use settings::Settings;
pub use watched::Change;
