//! `shell`: commands that are typed, in a network that is joined once.

use aemp::Value;

use super::{Description, Step, Takes};
use crate::arguments::node;
use crate::failure::Failure;
use crate::line::Line;
use crate::shell;

pub(super) const SHELL: Description = Description {
    name: "shell",
    arguments: "[NODE]",
    about: "Join the network and read commands (\"help\" there lists them): on a terminal with editing, history and \
            completion; from anything else line by line, up to the first that fails. With NODE, \".\" there is that node, \
            and \"#NAME\" a port of it",
    examples: &[
        "shell",
        "shell worker",
        "profile worker shell",
        "shell < commands",
        "--json shell < commands",
    ],
    takes: Takes::AtMost(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let here = match arguments.is_empty() {
        true => None,
        false => Some(node(&arguments)?),
    };
    let profile = line.profile.clone();
    line.check_profile(profile.as_deref())?;
    Ok(Some(Box::new(move |context| {
        let json = context.options.json;
        let functions = context.registry.names().map(str::to_owned).collect();
        context.in_network(profile.as_deref(), async |session| {
            shell::run(session, here, functions, json).await
        })
    })))
}
