//! Replaces a file atomically and keeps its previous version.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::FileError;

/// Replaces `file` by one with `content` that only this user can read. The previous version gets the same name with `~`
/// appended. If the process or the machine crashes, `file` is complete: either the previous version or `content`.
pub(crate) fn replace(file: &Path, content: &[u8]) -> Result<(), FileError> {
    let new_path = with_suffix(file, ".new");
    let failed = |step, path: &Path| {
        let path = path.to_owned();
        move |error| FileError::Write { step, path, error }
    };
    // Left over from a writer that was killed. The caller holds the lock, so no other writer uses it.
    remove(&new_path).map_err(failed("removing", &new_path))?;
    let mut new = private_options()
        .create_new(true)
        .open(&new_path)
        .map_err(failed("making", &new_path))?;
    new.write_all(content)
        .and_then(|()| new.sync_all())
        .map_err(failed("writing", &new_path))?;
    drop(new);
    keep_previous(file).map_err(failed("keeping the previous version of", file))?;
    fs::rename(&new_path, file).map_err(failed("replacing", file))?;
    sync_folder(file).map_err(failed("syncing the folder of", file))
}

/// The path of `file` with `more` appended to the name.
pub(crate) fn with_suffix(file: &Path, more: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(more);
    path.into()
}

/// Options to open files that only this user can read and write.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Gives the current version of `file` a second name, under which it is kept.
fn keep_previous(file: &Path) -> io::Result<()> {
    let next = with_suffix(file, "~.new");
    remove(&next)?;
    match fs::hard_link(file, &next) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Not every file system has hard links: copy then.
        Err(_) => {
            let content = fs::read(file)?;
            private_options()
                .create_new(true)
                .open(&next)?
                .write_all(&content)?;
        }
    }
    fs::rename(&next, with_suffix(file, "~"))?;
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

/// Syncs the folder of `file`, so that the new name survives a crash of the machine.
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
