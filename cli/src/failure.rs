//! What can go wrong with a command line, and the exit code of each. The table is in the crate's documentation.

use std::io;
use std::process::ExitCode;

use aemp::profile::FileError;
use aemp::profile::{Place, ProfileError};

/// Why a command line came to an end before its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// A value in it is none for its key.
    #[error(transparent)]
    Value(#[from] ProfileError),
    /// A value in it is one that no node can start with.
    #[error(transparent)]
    Refused(#[from] aemp::StartError),
    /// A command did not do what it says.
    #[error("{0}")]
    Failed(String),
    /// The configuration file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The network, or the node that was asked.
    #[error(transparent)]
    Network(#[from] crate::network::Failure),
    /// One of the lines that the shell was given.
    #[error("line {number}: {}", aemp::error::Report(&**failure))]
    Line {
        /// Counted from 1.
        number: usize,
        /// Why it failed.
        failure: Box<Self>,
    },
    /// Somebody told the process to stop, as what goes on until then expects: the rest of the line is not done.
    #[error("told to stop")]
    Stopped,
    /// Ctrl-C or another signal while a pager was shown or a secret asked for.
    #[error("interrupted")]
    Interrupted,
    /// The output.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Stopped => 0,
            Self::Interrupted => 130,
            Self::Failed(_) | Self::Output(_) => 1,
            Self::Value(error) if is_of_file(error) => 3,
            Self::Usage(_) | Self::Value(_) | Self::Refused(_) => 2,
            Self::File(_) => 3,
            Self::Network(_) => 4,
            Self::Line { failure, .. } => return failure.exit_code(),
        })
    }

    /// Whether only nobody reads any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Whether the file is wrong, and not the command line.
fn is_of_file(error: &ProfileError) -> bool {
    match error {
        ProfileError::Value { place, .. } => matches!(place, Place::Global | Place::Profile(_)),
        ProfileError::Cycle { .. } | ProfileError::Shape { .. } | ProfileError::Version { .. } => {
            true
        }
        _ => false,
    }
}

/// `; did you mean "NAME"?`, or nothing.
pub(crate) fn meant(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}
