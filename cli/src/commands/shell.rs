//! `shell`: commands that are typed, in a network that is joined once.

use aemp::Value;

use super::{Description, Step, Takes};
use crate::chain::Line;
use crate::failure::Failure;
use crate::shell;

pub(super) const SHELL: Description = Description {
    name: "shell",
    arguments: "",
    about: "Join the network and read commands (\"help\" there lists them): on a terminal with editing, history and \
            completion; from anything else line by line, up to the first that fails",
    examples: &[
        "shell",
        "profile worker shell",
        "shell < commands",
        "--json shell < commands",
    ],
    takes: Takes::Exactly(0),
    prepare,
};

fn prepare(line: &mut Line<'_>, _: Vec<Value>) -> Result<Option<Step>, Failure> {
    let profile = line.profile.clone();
    Ok(Some(Box::new(move |context| {
        let json = context.options.json;
        let functions = context.registry.names().map(str::to_owned).collect();
        context.in_network(profile.as_deref(), async |session| {
            shell::run(session, functions, json).await
        })
    })))
}
