//! `run [PROFILE] [key value]...`: runs a node.

use aemp::Value;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::show_config::Given;
use super::{Description, Step, Takes};
use crate::context::Context;
use crate::failure::Failure;
use crate::line::Line;
use crate::running::{self, Ended, Told};
use crate::services::{LogLayer, Logs};

pub(super) const RUN: Description = Description {
    name: "run",
    arguments: "[PROFILE] [KEY VALUE]...",
    about: "Run a node with its services until SIGTERM or SIGINT; says \"ready NODE ADDRESSES\" once it listens, or has \
            joined where ready_when says so",
    examples: &[
        "run seed",
        "run profile seed",
        "run seed binds '*:4040' services '[\"aemp::echo\"]'",
    ],
    takes: Takes::Rest,
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let given = Given::read(line, &arguments)?;
    Ok(Some(Box::new(move |context| start(context, given))))
}

fn start(context: &mut Context, given: Given) -> Result<(), Failure> {
    let (layer, logs) = Logs::new();
    log(layer, context.options.json);
    let profile = given.resolve(context)?;
    let told = Told {
        health: profile.health.clone(),
        ready_when: profile.ready_when,
    };
    let builder = std::mem::take(&mut context.registry).fill(aemp::node());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(running::run(
        builder.fill(profile),
        told,
        logs,
        running::say_ready,
    ));
    drop(runtime);
    match ended {
        Ok(Ended::Stopped | Ended::Failed) => Ok(()),
        Ok(Ended::Restart) => Err(again()),
        Err(error) => Err(Failure::Failed(aemp::error::Report(&error).to_string())),
    }
}

/// Writes the log to the standard error, as `RUST_LOG` says (info and worse without it), and to those who ask for it.
fn log(layer: LogLayer, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match json {
        true => lines.json().with_filter(filter).boxed(),
        false => lines.with_filter(filter).boxed(),
    };
    // A program that has set one of its own keeps it.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(layer)
        .try_init();
}

/// Starts this program anew in the same process. It comes back only if that fails.
fn again() -> Failure {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| name.into());
    let error = std::process::Command::new(program).args(arguments).exec();
    Failure::Failed(format!("cannot start anew: {error}"))
}
