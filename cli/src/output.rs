//! What is written to the terminal, or wherever the output goes.
//!
//! Names, reasons and log lines come from other nodes: on a terminal nothing of them is carried out.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use aemp::error::Report;

use crate::failure::Failure;
use crate::{progress, terminal};

/// Writes `text`, which ends in a line's end, to the standard output.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    progress::clear();
    let mut out = io::stdout().lock();
    let text = match out.is_terminal() {
        true => harmless(text),
        false => text.into(),
    };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Says what went wrong. Where nobody hears it, nothing more can be done.
pub(crate) fn error(failure: &Failure) {
    progress::clear();
    let label = if terminal::colours() {
        "\x1b[1;31merror\x1b[0m"
    } else {
        "error"
    };
    let _ = writeln!(
        io::stderr(),
        "{label}: {}",
        harmless(&Report(failure).to_string())
    );
}

/// Says something that the user had better know, and that changes nothing.
pub(crate) fn hint(text: &str) {
    progress::clear();
    let _ = writeln!(io::stderr(), "hint: {}", harmless(text));
}

/// `text` with its control characters but for line ends and tabs escaped, so that a terminal only shows it.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match is_harmful(c) {
            // Writing to a string does not fail.
            true => drop(write!(escaped, "{}", c.escape_unicode())),
            false => escaped.push(c),
        }
    }
    escaped.into()
}

/// What clap has to say: the version, or what is wrong with an option.
pub(crate) fn clap(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_terminal_would_carry_out_is_shown() {
        assert_eq!(harmless("a\tb\u{e9}\n"), "a\tb\u{e9}\n");
        let cases = [
            ("\x1b[2J", r"\u{1b}[2J"),
            ("a\rb", r"a\u{d}b"),
            ("\u{9b}x", r"\u{9b}x"),
        ];
        for (text, shown) in cases {
            assert_eq!(harmless(text), shown);
        }
    }
}
