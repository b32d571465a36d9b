//! `directory FAMILY`: what is in a family.

use aemp::Value;

use super::{Description, Step, Takes, show, text};
use crate::chain::Line;
use crate::failure::Failure;
use crate::{network, output};

pub(super) const DIRECTORY: Description = Description {
    name: "directory",
    arguments: "FAMILY",
    about: "Print the entries of a family: a group, what programs have set, 'l (who listens where) or 'g (global nodes)",
    examples: &[
        "directory workers",
        "directory \\'l",
        "--json directory config",
    ],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let profile = line.profile.clone();
    let family = text(&arguments, 0, "a family")?.to_string();
    Ok(Some(Box::new(move |context| {
        let entries = context.in_network(profile.as_deref(), async |session| {
            Ok(network::family(session, &family).await?)
        })?;
        if context.options.json {
            return show::print_json(&entries.into_iter().collect());
        }
        let lines = entries
            .iter()
            .map(|(key, value)| format!("{key}  {}\n", show::json(value, false)));
        output::write(&lines.collect::<String>())
    })))
}
