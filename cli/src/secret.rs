//! Where a secret comes from that no list of processes is to show.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use crate::failure::Failure;
use crate::options::Options;

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
    let failed = |error| Failure::Failed(format!("cannot ask for the secret: {error}"));
    rpassword::prompt_password("secret: ").map_err(failed)
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
