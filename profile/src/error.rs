//! What can go wrong with the configuration file.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the configuration file could not be read or rewritten. It is as it was then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Nothing says where the file is.
    #[error(
        "nothing says where the configuration file is: this user has no home directory; set AEMP_RC to its path"
    )]
    NoPlace,
    /// It is there and cannot be read.
    #[error("cannot read the configuration file {}: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// It is no JSON.
    #[error(
        "{}:{line}:{column}: {what}; the file is left as it is: mend it there, or take it away to begin anew",
        path.display()
    )]
    Broken {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1; 0 is the end of the line before.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// It is JSON, and no configuration.
    #[error("{}: {what} has to be an object; the file is left as it is", path.display())]
    Shape {
        /// Which file.
        path: PathBuf,
        /// Which part of it.
        what: String,
    },
    /// It is far longer than any configuration.
    #[error("{} has more than {limit} bytes, which no configuration has", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Someone else has been rewriting it for too long.
    #[error(
        "{} has been locked for {limit:?} by another program that rewrites the configuration; end that one, and try again",
        path.display()
    )]
    Locked {
        /// The lock's file.
        path: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// It cannot be rewritten.
    #[error("cannot rewrite the configuration: {step} {}: {error}; it is left as it is", path.display())]
    Write {
        /// What was being done.
        step: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The host's name is not known.
    #[error("the system does not tell this host's name: {0}")]
    HostName(#[source] io::Error),
}
