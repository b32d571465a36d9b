//! Where a secret comes from that no list of processes is to show.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::options::Options;
use crate::{running, terminal};

/// The environment variable that may hold it.
pub(crate) const VARIABLE: &str = "AEMP_SECRET";

/// No secret is longer, in bytes.
const MAX_LENGTH: u64 = 64 << 10;

/// From `--secret-file`, else from the environment, else asked for on a terminal, else the standard input's first line.
pub(crate) fn read(options: &Options) -> Result<String, Failure> {
    if let Some(file) = &options.secret_file {
        return from_file(file);
    }
    if let Some(secret) = std::env::var_os(VARIABLE).filter(|secret| !secret.is_empty()) {
        return secret
            .into_string()
            .map_err(|_| Failure::Failed(format!("{VARIABLE} is no text")));
    }
    if !io::stdin().is_terminal() {
        return first_line(io::stdin(), "the standard input");
    }
    match ask() {
        Err(Failure::Output(error)) => Err(Failure::Failed(format!(
            "cannot ask for the secret: {error}"
        ))),
        asked => asked,
    }
}

/// The terminal without echo and without signals from its keys, as long as this lives.
struct Raw;

impl Raw {
    fn new() -> io::Result<Self> {
        enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
        let _ = writeln!(io::stderr());
    }
}

/// Asks on the terminal, and shows nothing of what is typed. A signal that would end the process ends this first, so that the
/// terminal is as it was.
fn ask() -> Result<String, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = running::told_to_stop()?;
        let _raw = Raw::new()?;
        write!(io::stderr(), "secret: ")?;
        tokio::select! {
            secret = typed() => secret,
            () = stop => Err(Failure::Interrupted),
            () = terminal::gone() => Err(Failure::Interrupted),
        }
    })
}

/// A line of keys.
async fn typed() -> Result<String, Failure> {
    let mut events = terminal::events();
    let mut secret = String::new();
    loop {
        let Some(event) = events.recv().await.transpose()? else {
            return Ok(secret);
        };
        let Event::Key(key) = event else {
            continue;
        };
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if key.kind == KeyEventKind::Release => {}
            KeyCode::Char('c') if is_control => return Err(Failure::Interrupted),
            KeyCode::Char('d') if is_control => return Ok(secret),
            KeyCode::Char('u') if is_control => secret.clear(),
            KeyCode::Char(c) if !is_control => secret.push(c),
            KeyCode::Backspace => drop(secret.pop()),
            KeyCode::Enter => return Ok(secret),
            _ => {}
        }
    }
}

fn from_file(file: &Path) -> Result<String, Failure> {
    if file == Path::new("-") {
        return first_line(io::stdin(), "the standard input");
    }
    let name = file.display();
    let opened = File::open(file);
    let opened = opened.map_err(|error| Failure::Failed(format!("cannot read {name}: {error}")))?;
    first_line(opened, &name.to_string())
}

fn first_line(from: impl Read, name: &str) -> Result<String, Failure> {
    let mut line = String::new();
    BufReader::new(from.take(MAX_LENGTH))
        .read_line(&mut line)
        .map_err(|error| Failure::Failed(format!("cannot read the secret from {name}: {error}")))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
