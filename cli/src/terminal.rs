//! What the terminal can do, and what its user wants of it.

use std::io::{self, IsTerminal};

/// Colour is for terminals whose user has not said otherwise (no-color.org).
pub(crate) fn colours() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    rewrites_lines() && unset("NO_COLOR")
}

/// Whether standard error is a terminal on which a line can be erased.
pub(crate) fn rewrites_lines() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether standard output is a terminal that does more than print.
pub(crate) fn is_screen() -> bool {
    io::stdout().is_terminal() && !is_dumb()
}

/// Whether terminals do nothing but print.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}
