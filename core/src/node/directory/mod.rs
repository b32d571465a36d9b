//! The distributed directory: its interface for programs ([`Directory`] and the types that it returns), and the driver of
//! its state machine (`directory/` of aemp-proto).

mod ask;
mod driver;
mod group;
mod handle;
mod outputs;
mod programs;
mod registration;
mod watch;

pub use ask::Query;
pub(crate) use driver::{Driver, run, update_seeds};
pub use group::{Group, Lease, Members, Pick};
pub use handle::{Directory, DirectoryRole};
pub use registration::Registration;
pub use watch::Watch;
