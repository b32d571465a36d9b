//! Monitors: actions that run when a port dies or messages to it may have been lost, and the guards that end them.

mod action;
mod guard;

pub(crate) use action::{Action, ActionKind, sealed};
pub use action::{IntoAction, Kill, Notify};
pub use guard::Monitor;
pub(crate) use guard::Monitored;
