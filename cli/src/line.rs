//! `Line`: what one command line's commands know of it.

use crate::options::Options;

/// What the commands of a line share while it is read.
pub(crate) struct Line<'a> {
    pub(crate) options: &'a Options,
    /// The profile that the commands are about. `None`: the global keys.
    pub(crate) profile: Option<String>,
    /// Whether a command that is about it has still to come.
    pub(crate) open: bool,
}
