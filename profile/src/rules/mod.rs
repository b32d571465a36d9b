//! Configuration: what a node is told by a file, its profiles and its program (protocol.md section 9).
//!
//! Nothing here reads a file, an environment variable or the host's name: all of that is given to [`Sources`], whose
//! [`resolve`](Sources::resolve) returns a [`Profile`] with every key checked. A [`Builder`](aemp_core::Builder) is filled
//! from one; where a program names a profile, [`Profiles`] resolves it from what a [`ProfileSource`] has.

mod error;
mod fill;
mod key;
mod layers;
mod node_id;
mod program;
mod read;
mod resolved;
mod source;

pub use error::{Place, ProfileError, Warning};
pub use key::{Key, Kind};
pub use layers::Sources;
pub use resolved::{Certificate, Profile};
pub use source::{ProfileSource, Profiles};
