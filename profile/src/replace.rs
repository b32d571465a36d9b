//! Replacing a file in one step, its previous version kept.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::FileError;

/// Puts `content` in the place of `file`, for this user's eyes only. What was there is then called like it with `~`
/// appended. Whenever the process or the machine ends, `file` is whole: what was there, or `content`.
pub(crate) fn replace(file: &Path, content: &[u8]) -> Result<(), FileError> {
    let fresh = beside(file, ".new");
    let failed = |step, path: &Path| {
        let path = path.to_owned();
        move |error| FileError::Write { step, path, error }
    };
    // Of a writer that was killed. The caller holds the lock, so nobody else is writing it.
    remove(&fresh).map_err(failed("removing", &fresh))?;
    let mut new = private()
        .create_new(true)
        .open(&fresh)
        .map_err(failed("making", &fresh))?;
    new.write_all(content)
        .and_then(|()| new.sync_all())
        .map_err(failed("writing", &fresh))?;
    drop(new);
    keep(file).map_err(failed("keeping the previous version of", file))?;
    fs::rename(&fresh, file).map_err(failed("replacing", file))?;
    sync_folder(file).map_err(failed("syncing the folder of", file))
}

/// The path with `more` appended to the name.
pub(crate) fn beside(file: &Path, more: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(more);
    path.into()
}

/// How to open what only this user may read and write.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Gives the present version of `file` its second name, under which it stays.
fn keep(file: &Path) -> io::Result<()> {
    let next = beside(file, "~.new");
    remove(&next)?;
    match fs::hard_link(file, &next) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Not every file system has second names.
        Err(_) => {
            let content = fs::read(file)?;
            private()
                .create_new(true)
                .open(&next)?
                .write_all(&content)?;
        }
    }
    fs::rename(&next, beside(file, "~"))?;
    // A writer that was killed between this step and the next has left two names of one file, and to rename one such name
    // to the other removes neither (POSIX `rename`).
    remove(&next)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// So that the new name outlasts the machine's end.
fn sync_folder(file: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
