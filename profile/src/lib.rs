//! The configuration file that aemp shares with AnyEvent::MP: found, read, and rewritten (protocol.md section 9).
//!
//! Which value of a key holds is core's business ([`aemp_core::profile`]); here is the file only.
//!
//! * [`ConfigFile::find`] knows where it is: `AEMP_RC`, else `PERL_ANYEVENT_MP_RC`, else `~/.perl-anyevent-mp`.
//! * [`ConfigFile::read`] takes a missing file for an empty one, and names line and column of what is broken.
//! * [`ConfigFile::update`] changes a [`Document`] in one step against other writers and against the machine's end:
//!   the file is always whole, one version or the other.
//!
//! Beside the file lie its previous version, with `~` appended, and the lock of its writers, with `.lock`. All of them
//! are for their owner's eyes only.
//!
//! ```
//! use aemp_core::Value;
//! use aemp_profile::{ConfigFile, Scope};
//!
//! # let folder = std::env::temp_dir().join(format!("aemp-profile-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let file = ConfigFile::at(folder.join("config"));
//! file.update(|document| document.set(Scope::Profile("seed"), "binds", Value::from(vec!["*:4040".into()])))?;
//! assert_eq!(file.read()?.get(Scope::Profile("seed"), "binds").map(|binds| &binds[0]), Some(&Value::from("*:4040")));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod document;
mod error;
mod file;
mod lock;
mod place;
mod replace;

pub use document::{Document, Scope};
pub use error::FileError;
pub use file::{ConfigFile, UsualFile, host_name};
