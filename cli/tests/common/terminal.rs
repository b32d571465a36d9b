//! A real terminal: tmux without a window, which runs one command, takes keys and shows what is on the screen.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::Home;

/// How long a screen may take to become what is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A terminal with a command in it, which ends with its owner. It stays as it is when the command ends.
pub(crate) struct Terminal {
    /// A server of its own.
    socket: PathBuf,
    /// Where the command's exit code will be.
    code: PathBuf,
}

impl Terminal {
    /// `aemp LINE` in a terminal of the usual size.
    pub(crate) fn aemp(home: &Home, line: &[&str]) -> Self {
        Self::run(home, &home.command(line), (80, 24))
    }

    /// A command, of which program, arguments, variables and folder count, in a terminal of so many columns and rows.
    pub(crate) fn run(home: &Home, command: &Command, (columns, rows): (u16, u16)) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            socket: home.path(&format!("tmux{count}")),
            code: home.path(&format!("code{count}")),
        };
        let options = "start-server ; set -g status off";
        let mut line: Vec<OsString> = options.split(' ').map(OsString::from).collect();
        let mut add = |word: &dyn AsRef<OsStr>| line.push(word.as_ref().to_owned());
        for word in [
            ";",
            "new-session",
            "-d",
            "-x",
            &columns.to_string(),
            "-y",
            &rows.to_string(),
        ] {
            add(&word);
        }
        if let Some(folder) = command.get_current_dir() {
            add(&"-c");
            add(&folder);
        }
        // Ctrl-C is for the command alone. The terminal outlives it: one that ends loses what is not on the screen yet.
        let script = format!(
            "trap : INT; \"$@\"; echo $? >{}; exec sleep 3600",
            terminal.code.display()
        );
        for word in ["sh", "-c", &script, "sh"] {
            add(&word);
        }
        // What the terminal of who runs the tests likes is nothing to this one.
        for word in "env -u NO_COLOR -u AEMP_PAGER -u PAGER -u LESS".split(' ') {
            add(&word);
        }
        let variables: Vec<_> = command.get_envs().collect();
        for (name, _) in variables.iter().filter(|(_, value)| value.is_none()) {
            add(&"-u");
            add(name);
        }
        for (name, value) in &variables {
            if let Some(value) = value {
                let mut set = name.to_os_string();
                set.push("=");
                set.push(value);
                add(&set);
            }
        }
        add(&command.get_program());
        command.get_args().for_each(|word| add(&word));
        terminal.tmux(line);
        terminal
    }

    /// Presses keys by tmux's names: `Enter`, `Tab`, `Up`, `C-c`.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(["send-keys"].iter().chain(keys));
    }

    /// Types a text as it stands.
    pub(crate) fn write(&self, text: &str) {
        self.tmux(["send-keys", "-l", "--", text]);
    }

    /// Types a line and Enter.
    pub(crate) fn enter(&self, line: &str) {
        self.write(line);
        self.press(&["Enter"]);
    }

    /// Makes it so many columns and rows.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What it shows, row by row, without colours.
    pub(crate) fn screen(&self) -> String {
        self.tmux(["capture-pane", "-p"])
    }

    /// The same with escape sequences for what is not plain text.
    pub(crate) fn colours(&self) -> String {
        self.tmux(["capture-pane", "-p", "-e"])
    }

    /// What tmux knows of it, in one of its formats.
    pub(crate) fn flags(&self, format: &str) -> String {
        self.tmux(["display-message", "-p", format])
            .trim()
            .to_owned()
    }

    /// Waits until the screen is as it should be, and gives it.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            let screen = self.screen();
            if is_it(&screen) {
                return screen;
            }
            if Instant::now() > until {
                panic!("waiting for {what}, the screen shows:\n{screen}");
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until a text is on the screen, and gives that.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits for the command's end, and gives its exit code. The screen is still there; what was printed last may come
    /// to it a little later.
    #[track_caller]
    pub(crate) fn ended(&self) -> i32 {
        let code = || fs::read_to_string(&self.code).unwrap_or_default();
        self.wait("the command's end", |_| code().ends_with('\n'));
        code().trim().parse().expect("a number")
    }

    /// The command's process, which the terminal's own has started.
    pub(crate) fn process(&self) -> u32 {
        let shell = self.tmux(["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.expect("a process");
        children.trim().parse().expect("one child")
    }

    fn tmux(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let mut tmux = Command::new("tmux");
        // -u, and a locale that every system has: the screen is UTF-8, whatever the tests run under.
        tmux.arg("-S")
            .arg(&self.socket)
            .args(["-u", "-f", "/dev/null"]);
        let done = tmux.args(line).env("LC_ALL", "C.UTF-8").output();
        let done = done.expect("tmux starts");
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "tmux: {error}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut tmux = Command::new("tmux");
        let _ = tmux.arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}
