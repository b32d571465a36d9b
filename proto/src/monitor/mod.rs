//! The monitors of one node on the ports of another, and the map in which they are stored.

mod keyed;
mod table;

pub use keyed::{IntoIter, Keyed};
pub use table::MonitorTable;

/// The key of a monitor, unique within its node.
pub type MonitorKey = u64;
