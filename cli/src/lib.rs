//! The `aemp` command, as a library: a program with services of its own builds its own `aemp` from it.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     let registry = aemp_cli::Registry::new()
//!         .service("app::hello", |node, (name,): (String,)| println!("{} greets {name}", node.id()));
//!     aemp_cli::main_with(registry)
//! }
//! ```
//!
//! `examples/own_services.rs` runs one.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | all commands did what they say; also where the reader of the output has gone |
//! | 1 | a command failed: a file that cannot be read, a node that does not start, ... |
//! | 2 | the command line is wrong: unknown command, key, option or profile, missing argument, wrong value; nothing was done |
//! | 3 | the configuration file is broken, or cannot be read or rewritten |
//! | 4 | the network: no seed could be joined, a node or port is not there, or did not answer in time |
//! | 130 | interrupted by Ctrl-C, or by a signal while a pager is shown or a secret asked for; what goes on until then, such as `run` or `tap`, ends with 0 |
//!
//! A shell whose lines come from no terminal ends with the code of the first line that fails.

mod arguments;
mod certificates;
mod chain;
mod checking;
mod commands;
mod context;
mod failure;
mod health;
mod layers;
mod line;
mod network;
mod options;
mod output;
mod pager;
mod progress;
mod random;
mod record;
mod registry;
mod running;
mod secret;
mod services;
mod shell;
mod show;
mod supervisor;
mod terminal;
#[cfg(test)]
mod tests;
mod time;
mod top;

use std::process::ExitCode;

use context::Context;
use failure::Failure;
use options::Options;

pub use registry::Registry;

/// Runs the command line of this process with the services of `registry`. What it returns is for `main` to return.
pub fn main_with(registry: Registry) -> ExitCode {
    let options = match Options::read(std::env::args_os()) {
        Ok(options) => options,
        Err(error) => return output::clap(&error),
    };
    match run(options, registry) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure @ (Failure::Stopped | Failure::Interrupted)) => failure.exit_code(),
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(&failure);
            failure.exit_code()
        }
    }
}

fn run(options: Options, registry: Registry) -> Result<(), Failure> {
    if options.help || options.words.is_empty() {
        return commands::help::show(&options.words);
    }
    // All of the line is understood before anything is done.
    let steps = chain::parse(&options.words, &options)?;
    let mut context = Context::new(options, registry)?;
    for step in steps {
        step(&mut context)?;
    }
    Ok(())
}
