//! A separate folder for each test, and the test program as a child process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, process};

/// A temporary folder, removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let folder = env::temp_dir().join(format!("aemp-profile-{test}-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The sorted names of its files.
    #[allow(dead_code, reason = "not every test program looks")]
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("text"))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts this program as a child process, which runs only the test `as_child` with `task` and `file`.
#[allow(dead_code, reason = "not every test program has children")]
pub(crate) fn child(task: &str, file: &Path) -> Command {
    let mut command = Command::new(env::current_exe().expect("the path of this program"));
    command
        .args(["--exact", "as_child", "--nocapture"])
        .env("AEMP_PROFILE_TASK", task)
        .env("AEMP_PROFILE_FILE", file)
        .stdout(Stdio::null());
    command
}

/// The task and file of this process, if it is a child.
#[allow(dead_code, reason = "not every test program has children")]
pub(crate) fn task() -> Option<(String, PathBuf)> {
    let task = env::var("AEMP_PROFILE_TASK").ok()?;
    Some((task, env::var_os("AEMP_PROFILE_FILE")?.into()))
}
