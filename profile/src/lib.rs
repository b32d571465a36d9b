//! The configuration of aemp, which is the one of AnyEvent::MP ([protocol.md section 9]): its rules, and the file, which
//! this crate finds, reads and rewrites.
//!
//! [`Sources`] are the inputs of a configuration: values of the program, the content of a file, the names of a profile
//! and of this host. [`Sources::resolve`] returns a [`Profile`] with every key checked, for
//! [`NodeBuilder::fill`](aemp_core::NodeBuilder::fill). A builder that has only the name of a profile gets it from
//! [`Profiles`], [`ConfigFile`] or [`UsualFile`]. The documentation of [`Key`] describes the values. The precedence is:
//!
//! | from lowest to highest | |
//! | --- | --- |
//! | built-in defaults | `monitor_timeout` 30, ... |
//! | the program's values | highest of all with `force` |
//! | the file's global keys | none of the file with `norc` |
//! | the profile's parents | the farthest first |
//! | the profile | by default the one with the host's name |
//!
//! The file is independent of these rules:
//!
//! * [`ConfigFile::find`] locates it: `AEMP_RC`, else `PERL_ANYEVENT_MP_RC`, else `~/.perl-anyevent-mp`.
//! * [`ConfigFile::read`] treats a missing file as empty, and reports errors with line and column.
//! * [`ConfigFile::update`] changes a [`Document`] atomically, with regard to other writers and to crashes: the file
//!   always has one complete version.
//!
//! Next to the file are its previous version, with `~` appended, and the lock file of its writers, with `.lock` appended.
//! Only their owner can read and write these files.
//!
//! ```
//! use aemp::Value;
//! use aemp::profile::{ConfigFile, Scope};
//!
//! # let folder = std::env::temp_dir().join(format!("aemp-profile-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let file = ConfigFile::from_path(folder.join("config"));
//! file.update(|document| document.set(Scope::Profile("seed"), "binds", Value::from(vec!["*:4040".into()])))?;
//! assert_eq!(file.read()?.get(Scope::Profile("seed"), "binds").map(|binds| &binds[0]), Some(&Value::from("*:4040")));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [protocol.md section 9]: aemp_core::protocol#9-configuration

mod document;
mod error;
mod file;
mod integers;
mod location;
mod lock;
mod replace;
mod rules;

pub use document::{Document, Scope};
pub use error::FileError;
pub use file::{ConfigFile, UsualFile, host_name};
pub use rules::{
    Certificate, DEFAULT_BINDS, Endpoint, Key, Kind, Place, Profile, ProfileError, ProfileSource,
    Profiles, ReadyWhen, Sources, Warning,
};

#[doc(no_inline)]
pub use aemp_core::{nearest, settings::Service};
