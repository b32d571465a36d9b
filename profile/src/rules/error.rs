//! The errors and the warnings of a configuration.

use std::fmt;

use aemp_core::handshake::SecretError;
use aemp_core::{ParseIdError, nearest};

/// The place where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In the program.
    Program,
    /// On a command line.
    CommandLine,
    /// In the file, at top level.
    Global,
    /// In the file, in the profile with this name.
    Profile(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("in the program"),
            Self::CommandLine => f.write_str("on the command line"),
            Self::Global => f.write_str("in the file's global keys"),
            Self::Profile(name) => write!(f, "in profile {name:?}"),
        }
    }
}

/// Why no node can start with a configuration. No error text shows a secret or a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A value is not valid for its key.
    #[error("{key} {place} takes {expected}, and {found} is none; for example {example}")]
    #[non_exhaustive]
    Value {
        /// The key.
        key: &'static str,
        /// The place of the value.
        place: Place,
        /// The values that the key takes.
        expected: &'static str,
        /// The value that was found.
        found: String,
        /// A valid value, in JSON.
        example: &'static str,
    },
    /// A program has set a key that does not exist.
    #[error("there is no key {key:?}{}", meant(nearest))]
    #[non_exhaustive]
    UnknownKey {
        /// The key.
        key: String,
        /// The most similar known key.
        nearest: Option<String>,
    },
    /// The program or a command line names a profile that the file does not have.
    #[error("there is no profile {name:?}{}", lacks(nearest, no_file))]
    #[non_exhaustive]
    NoProfile {
        /// The name.
        name: String,
        /// The most similar profile in the file.
        nearest: Option<String>,
        /// Why there is no file, if there is none; see [`Sources::no_file`](super::Sources::no_file).
        no_file: Option<String>,
    },
    /// Profiles inherit in a cycle.
    #[error("the profiles {} inherit from each other in a circle: change the parent of one", chain.join(" -> "))]
    #[non_exhaustive]
    Cycle {
        /// The profiles of the cycle; the first one is repeated at the end.
        chain: Vec<String>,
    },
    /// The file is no configuration.
    #[error(
        "{what} of the configuration file has to be an object such as {{\"seeds\": [\"host:4040\"]}}, and {found} is none"
    )]
    #[non_exhaustive]
    Shape {
        /// The wrong part of the file.
        what: String,
        /// The kind of value that was found.
        found: String,
    },
    /// The file has another version.
    #[error("the configuration file has version {found}, and this program reads version 1 only")]
    #[non_exhaustive]
    Version {
        /// The version that was found.
        found: String,
    },
    /// The node ID is not valid after `%n` and `%u` are replaced.
    #[error("nodeid is not valid")]
    NodeId(#[from] ParseIdError),
    /// The secret is not valid.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl ProfileError {
    /// The file has no profile `name`, and has the profiles `known`.
    pub fn no_profile<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Self {
        Self::NoProfile {
            name: name.to_owned(),
            nearest: nearest(name, known).map(str::to_owned),
            no_file: None,
        }
    }
}

impl From<ProfileError> for aemp_core::Error {
    fn from(error: ProfileError) -> Self {
        Self::other(error)
    }
}

/// A problem of a configuration that does not prevent a node from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A key of the file is unknown.
    #[non_exhaustive]
    UnknownKey {
        /// The key.
        key: String,
        /// The place of the key.
        place: Place,
        /// The most similar known key.
        nearest: Option<String>,
    },
    /// There is no file. It counts as empty.
    #[non_exhaustive]
    NoFile {
        /// Why; see [`Sources::no_file`](super::Sources::no_file).
        why: String,
    },
    /// A profile names a parent that the file does not have. It counts as empty.
    #[non_exhaustive]
    NoParent {
        /// The name.
        name: String,
        /// The place where it is named.
        place: Place,
        /// The most similar profile in the file.
        nearest: Option<String>,
    },
    /// `parent` at top level has no effect: global keys do not inherit.
    GlobalParent,
    /// A framing that exists only in Perl was removed from `framing_format`.
    #[non_exhaustive]
    Framing {
        /// Its name.
        name: String,
    },
    /// A key has no effect in aemp.
    #[non_exhaustive]
    NoEffect {
        /// The key.
        key: &'static str,
        /// The reason.
        why: &'static str,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey {
                key,
                place,
                nearest,
            } => write!(f, "the key {key:?} {place} is unknown{}", meant(nearest)),
            Self::NoFile { why } => write!(f, "no configuration file was found: {why}"),
            Self::NoParent {
                name,
                place,
                nearest,
            } => write!(
                f,
                "the file has no profile {name:?}, which is named {place}{}",
                meant(nearest)
            ),
            Self::GlobalParent => f.write_str(
                "parent in the file's global keys changes nothing: only profiles inherit",
            ),
            Self::Framing { name } => write!(
                f,
                "the framing {name:?} in framing_format exists in Perl only and is left out"
            ),
            Self::NoEffect { key, why } => write!(f, "{key} changes nothing here: {why}"),
        }
    }
}

fn lacks(nearest: &Option<String>, no_file: &Option<String>) -> String {
    match no_file {
        Some(why) => format!(", since no configuration file was found: {why}"),
        None => meant(nearest),
    }
}

fn meant(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}
