//! The configuration of aemp, which it shares with AnyEvent::MP (protocol.md section 9): its rules, and the file, found,
//! read and rewritten.
//!
//! [`Sources`] are what a configuration is made of: values of the program, a file's content, the names of a profile and of
//! this host. [`Sources::resolve`] returns a [`Profile`] with every key checked, which
//! [`Builder::fill`](aemp_core::Builder::fill) takes; a builder that is told a profile's name only has it from [`Profiles`],
//! [`ConfigFile`] or [`UsualFile`]. What each [`Key`] takes is in its documentation, and this is which value holds:
//!
//! | from lowest to highest | |
//! | --- | --- |
//! | built-in defaults | `monitor_timeout` 30, ... |
//! | the program's values | highest of all with `force` |
//! | the file's global keys | none of the file with `norc` |
//! | the profile's parents | the farthest first |
//! | the profile | the host's name where none is named |
//!
//! The file knows nothing of that:
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
mod rules;

pub use document::{Document, Scope};
pub use error::FileError;
pub use file::{ConfigFile, UsualFile, host_name};
pub use rules::{
    Certificate, Key, Kind, Place, Profile, ProfileError, ProfileSource, Profiles, Sources, Warning,
};

#[doc(no_inline)]
pub use aemp_core::{nearest, settings::Service};
