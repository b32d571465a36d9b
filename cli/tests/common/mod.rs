//! The command in a home directory of its own.

// Each test binary takes what it needs.
#![allow(dead_code, unused_imports)]

mod terminal;

pub(crate) mod deployment;
pub(crate) mod http;
#[path = "../../../tests/common/lines.rs"]
pub(crate) mod lines;
pub(crate) mod perl;
pub(crate) mod running;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use aemp::Value;

pub(crate) use terminal::Terminal;

/// A home directory that goes with its owner. The configuration is `config` in it.
pub(crate) struct Home(PathBuf);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = env::temp_dir().join(format!("aemp-cli-{}-{count}", process::id()));
        fs::create_dir_all(&home).expect("a home directory");
        Self(home)
    }

    /// One whose configuration has the secret of the tests.
    pub(crate) fn with_secret() -> Self {
        let home = Self::new();
        let secret = home.write("secret", running::SECRET);
        home.aemp(&["--secret-file", &secret, "setsecret"])
            .succeeds_in_silence();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file there; its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).expect("it can be written");
        self.path(name).display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it can be read")
    }

    /// The configuration.
    pub(crate) fn file(&self) -> Value {
        serde_json::from_str(&self.read("config")).expect("JSON")
    }

    pub(crate) fn has_file(&self) -> bool {
        self.path("config").exists()
    }

    pub(crate) fn aemp(&self, line: &[&str]) -> Ended {
        self.with(line, &[], "")
    }

    /// Runs the command with further variables and something to read.
    pub(crate) fn with(&self, line: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
        let mut command = self.command(line);
        command.envs(variables.iter().copied());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("its input");
        // One that does not read has its reasons.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        ended(child.wait_with_output().expect("it ends"))
    }

    /// Runs the command with nobody to read what it prints.
    pub(crate) fn without_reader(&self, line: &[&str]) -> Ended {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command(line);
        ended(command.stdout(writer).output().expect("it ends"))
    }

    /// Runs a command with nothing to read.
    pub(crate) fn ended(command: &mut Command) -> Ended {
        ended(command.stdin(Stdio::null()).output().expect("it starts"))
    }

    pub(crate) fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aemp"));
        command
            .args(line)
            .env("HOME", &self.0)
            .env("AEMP_RC", self.path("config"))
            .env_remove("PERL_ANYEVENT_MP_RC")
            .env_remove("AEMP_SECRET")
            .env_remove("XDG_STATE_HOME")
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Ended {
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    pub(crate) fn succeeds_in_silence(self) -> Self {
        assert!(self.out.is_empty() && self.err.is_empty(), "{self:?}");
        self.succeeds()
    }

    /// With this code, whatever it prints.
    pub(crate) fn succeeds_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// With this code, an error and no output.
    pub(crate) fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(
            self.out.is_empty() && self.err.starts_with("error: "),
            "{self:?}"
        );
        self
    }
}
