//! The `aemp` command without services beyond the built-in ones.

use std::process::ExitCode;

fn main() -> ExitCode {
    aemp_cli::main_with(aemp_cli::Registry::new())
}
