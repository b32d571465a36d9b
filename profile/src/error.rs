//! The errors of the configuration file.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

impl From<FileError> for aemp_core::Error {
    fn from(error: FileError) -> Self {
        Self::other(error)
    }
}

/// Why the configuration file could not be read or rewritten. The file is unchanged then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The location of the file is unknown.
    #[error(
        "nothing says where the configuration file is: HOME is not set, and the system knows no home directory of this user; \
         set AEMP_RC to the file's path"
    )]
    NoPlace,
    /// The file exists and cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    #[non_exhaustive]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file is no valid JSON.
    #[error(
        "{}:{line}:{column}: {what}; the file is left as it is: mend it there, or take it away to begin anew",
        path.display()
    )]
    #[non_exhaustive]
    Broken {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1; 0 is the end of the previous line.
        column: usize,
        /// The error at that position.
        what: String,
    },
    /// The file is valid JSON, but no configuration.
    #[error("{}: {what} has to be an object; the file is left as it is", path.display())]
    #[non_exhaustive]
    Shape {
        /// Which file.
        path: PathBuf,
        /// The wrong part of the file.
        what: String,
    },
    /// The file has a later version, or one that does not exist.
    #[error(
        "{} has version {found}, and this program writes version 1 only; the file is left as it is: change it with the program that \
         wrote it",
        path.display()
    )]
    #[non_exhaustive]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version, as it stands there.
        found: String,
    },
    /// The file has an integer that would be another one after the file is rewritten.
    #[error(
        "{}:{line}:{column}: {number} is beyond 64 bits and would be rewritten as another number; the file is left as it is",
        path.display()
    )]
    #[non_exhaustive]
    Inexact {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The integer.
        number: String,
    },
    /// The file is far longer than any configuration.
    #[error("{} has more than {limit} bytes, which no configuration has", path.display())]
    #[non_exhaustive]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Another program has held the lock of the file for too long.
    #[error(
        "{} has been locked for {limit:?} by another program that rewrites the configuration; end that one, and try again",
        path.display()
    )]
    #[non_exhaustive]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The time limit of waiting.
        limit: Duration,
    },
    /// The file cannot be rewritten.
    #[error("cannot rewrite the configuration, which is left as it is: {step} {}", path.display())]
    #[non_exhaustive]
    Write {
        /// The step that failed.
        step: &'static str,
        /// The file of this step.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The name of the host is not available.
    #[error("the system does not tell this host's name")]
    HostName(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use aemp_core::Report;

    use super::*;

    #[test]
    fn no_error_repeats_its_source_and_all_become_an_error_of_the_library() {
        let io = || io::Error::from(io::ErrorKind::PermissionDenied);
        let path = PathBuf::from("config");
        let errors = [
            FileError::Read {
                path: path.clone(),
                error: io(),
            },
            FileError::Write {
                step: "syncing",
                path,
                error: io(),
            },
            FileError::HostName(io()),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(!text.contains("permission denied"), "{text}");
            assert!(error.source().is_some(), "{text}");
            let line = Report(&error).to_string();
            assert_eq!(line, format!("{text}: permission denied"));
            assert_eq!(format!("{:?}", aemp_core::Error::from(error)), line);
        }
    }
}
