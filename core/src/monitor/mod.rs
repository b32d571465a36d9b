//! Monitors: what happens when a port dies or messages to it may have been lost, and the guards that end them.

mod action;
mod guard;
mod keyed;
mod table;

pub use action::{Action, IntoAction, Notify};
pub(crate) use action::{What, told};
pub use guard::Monitor;
pub(crate) use guard::{MonitorKey, Target};
pub(crate) use keyed::Keyed;
pub(crate) use table::MonitorTable;
