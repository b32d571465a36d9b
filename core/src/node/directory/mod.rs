//! The distributed directory as programs have it: [`Directory`] and what it gives, and the driver of its state machine
//! (`directory/` of this crate).

mod ask;
mod driver;
mod group;
mod handle;
mod outputs;
mod programs;
mod registration;
mod watch;

pub use ask::Ask;
pub(crate) use driver::{Driver, look_at_seeds, run};
pub use group::{Group, Lease, Members, Pick};
pub use handle::{Directory, DirectoryRole};
pub use registration::Registration;
pub use watch::FamilyWatch;
