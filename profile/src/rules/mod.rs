//! The rules of configurations from a file, its profiles and the program ([protocol.md section 9]).
//!
//! These modules read no file, no environment variable and no host name: those are inputs of [`Sources`], whose
//! [`resolve`](Sources::resolve) returns a [`Profile`] with every key checked, for a [`NodeBuilder`](aemp_core::NodeBuilder).
//! If a program names a profile, [`Profiles`] resolves it from a [`ProfileSource`].
//!
//! [protocol.md section 9]: aemp_core::protocol#9-configuration

mod endpoint;
mod error;
mod fill;
mod key;
mod layers;
mod node_id;
mod program;
mod read;
mod resolved;
mod source;

pub use endpoint::{Endpoint, ReadyWhen};
pub use error::{Place, ProfileError, Warning};
pub use key::{Key, Kind};
pub use layers::Sources;
pub(crate) use layers::is_version;
pub use resolved::{Certificate, DEFAULT_BINDS, Profile};
pub use source::{ProfileSource, Profiles};
