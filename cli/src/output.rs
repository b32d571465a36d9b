//! What is written to the terminal, or wherever the output goes.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::failure::Failure;
use crate::progress;

/// Writes `text`, which ends in a line's end, to the standard output.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    progress::clear();
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Says what went wrong. Where nobody hears it, nothing more can be done.
pub(crate) fn error(failure: &Failure) {
    progress::clear();
    let label = if colours() {
        "\x1b[1;31merror\x1b[0m"
    } else {
        "error"
    };
    let _ = writeln!(io::stderr(), "{label}: {failure}");
}

/// Says something that the user had better know, and that changes nothing.
pub(crate) fn hint(text: &str) {
    progress::clear();
    let _ = writeln!(io::stderr(), "hint: {text}");
}

/// What clap has to say: the version, or what is wrong with an option.
pub(crate) fn clap(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Colour is for terminals whose user has not said otherwise (no-color.org).
pub(crate) fn colours() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    rewrites_lines() && unset("NO_COLOR")
}

/// Whether standard error is a terminal on which a line can be erased.
pub(crate) fn rewrites_lines() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether terminals do nothing but print.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}
