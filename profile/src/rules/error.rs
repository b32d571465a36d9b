//! What can be wrong with a configuration, and what is merely odd.

use std::fmt;

use aemp_core::ParseIdError;
use aemp_core::handshake::SecretError;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In the program.
    Program,
    /// On a command line.
    CommandLine,
    /// In the file, at top level.
    Global,
    /// In the file, in the profile of this name.
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

/// A configuration that no node can start with. None of these shows a secret or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A value is not what its key takes.
    #[error("{key} {place} takes {expected}, and {found} is none; for example {example}")]
    Value {
        /// The key.
        key: &'static str,
        /// Where the value stands.
        place: Place,
        /// What it takes.
        expected: &'static str,
        /// What there is.
        found: String,
        /// A value that would do, in JSON.
        example: &'static str,
    },
    /// A program gives a key that does not exist.
    #[error("there is no key {key:?}{}", meant(nearest))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// Profiles inherit in a circle.
    #[error("the profiles {} inherit from each other in a circle: change the parent of one", chain.join(" -> "))]
    Cycle {
        /// From one of them back to it.
        chain: Vec<String>,
    },
    /// The file is no configuration.
    #[error(
        "{what} of the configuration file has to be an object such as {{\"seeds\": [\"host:4040\"]}}, and {found} is none"
    )]
    Shape {
        /// Which part of it.
        what: String,
        /// What there is.
        found: String,
    },
    /// The file is of another version.
    #[error("the configuration file has version {found}, and this program reads version 1 only")]
    Version {
        /// What it says.
        found: String,
    },
    /// The node ID is none once `%n` and `%u` are filled in.
    #[error("nodeid: {0}")]
    NodeId(#[from] ParseIdError),
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Something odd in a configuration that does not keep a node from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A key of the file that nobody here knows.
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        place: Place,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// A profile was named, by the program or as a parent, that the file does not have. It counts as empty.
    NoProfile {
        /// The name.
        name: String,
        /// Where it was named.
        place: Place,
        /// The one in the file that is most like it.
        nearest: Option<String>,
    },
    /// `parent` at top level: the global keys inherit from nothing.
    GlobalParent,
    /// A framing that only Perl has was left out of `framing_format`.
    Framing {
        /// Its name.
        name: String,
    },
    /// A key that changes nothing here.
    NoEffect {
        /// The key.
        key: &'static str,
        /// Why.
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
            Self::NoProfile {
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

fn meant(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}
