//! Where the lines of former sessions are kept: a file that nobody else can read, as lines may hold what is secret.

use std::env;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use reedline::FileBackedHistory;

/// How many lines it holds.
const LINES: usize = 10_000;

/// The history, with a file if there is a place for it.
pub(super) fn history() -> Result<FileBackedHistory, String> {
    let Some(file) = place(|name| env::var_os(name).map(PathBuf::from)) else {
        return FileBackedHistory::new(LINES).map_err(|error| error.to_string());
    };
    let failed = |error: &dyn ToString| {
        let error = error.to_string();
        format!("no history is kept in {}: {error}", file.display())
    };
    prepare(&file).map_err(|error| failed(&error))?;
    FileBackedHistory::with_file(LINES, file.clone()).map_err(|error| failed(&error))
}

/// The file's place, by the variables of the environment (the XDG Base Directory Specification). Only absolute paths
/// count there.
fn place(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME");
    let state = state.or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("aemp/history"))
}

/// Makes the file with its folders, for its owner only.
fn prepare(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)?;
    // It may have been there, with another mode.
    fs::set_permissions(file, Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_users_state_folder() {
        let at = |state: Option<&str>, home: Option<&str>| {
            place(|name| {
                let path = if name == "HOME" { home } else { state };
                path.map(PathBuf::from)
            })
        };
        let file = |path: &str| Some(PathBuf::from(path));
        assert_eq!(at(Some("/s"), Some("/h")), file("/s/aemp/history"));
        let usual = file("/h/.local/state/aemp/history");
        assert_eq!(at(None, Some("/h")), usual);
        assert_eq!(at(Some("relative"), Some("/h")), usual);
        assert_eq!(at(None, None), None);
    }
}
