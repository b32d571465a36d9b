//! Configuration: what a node is told by a file, its profiles and its program (protocol.md section 9).
//!
//! Nothing here reads a file, an environment variable or the host's name: all of that is given to [`Sources`], whose
//! [`resolve`](Sources::resolve) returns a [`Profile`] with every key checked. A [`Builder`](crate::Builder) is filled
//! from one; where a program names a profile, [`Profiles`] resolves it from what a [`ProfileSource`] has.
//!
//! | from lowest to highest | |
//! | --- | --- |
//! | built-in defaults | `monitor_timeout` 30, ... |
//! | the program's values | highest of all with `force` |
//! | the file's global keys | none of the file with `norc` |
//! | the profile's parents | the farthest first |
//! | the profile | the host's name where none is named |

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

#[doc(no_inline)]
pub use crate::{nearest, settings::Service};
