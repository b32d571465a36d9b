//! The monitors of one node on the ports of another, and the structure that they are kept in.

mod keyed;
mod table;

pub use keyed::{IntoIter, Keyed};
pub use table::MonitorTable;

/// Which monitor of a port: unique within its node.
pub type MonitorKey = u64;
