//! `directory [FAMILY]`: which families there are, what is in one, and how it changes.

use aemp::directory::Change;
use aemp::{Map, Value};

use super::{Description, Step, Takes, in_network};
use crate::arguments::text;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Session};
use crate::show;
use crate::{output, pager};

pub(super) const DIRECTORY: Description = Description {
    name: "directory",
    arguments: "[FAMILY]",
    about: "Print the entries of a family: a group, what programs have set, 'l (who listens where) or 'g (global nodes); \
            with --watch each change as well, until it is interrupted; without FAMILY which families there are",
    examples: &[
        "directory workers",
        "directory \\'l",
        "--watch directory workers",
        "--json directory config",
        "directory",
    ],
    takes: Takes::AtMost(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    if arguments.is_empty() {
        let work = async |session: &Session| network::families(session).await;
        return in_network(line, work, |context, families| {
            if context.options.json {
                return show::print_json(&families.into_iter().collect());
            }
            pager::page(&show::pairs(&families))
        });
    }
    let family = text(&arguments, 0, "a family")?;
    if line.options.watch {
        let profile = line.profile.clone();
        line.check_profile(profile.as_deref())?;
        return Ok(Some(Box::new(move |context| {
            let json = context.options.json;
            context.in_network(profile.as_deref(), async |session| {
                network::follow(session, &family, |change| print(&change, json)).await
            })
        })));
    }
    let work = async move |session: &Session| network::family(session, &family).await;
    in_network(line, work, |context, set| {
        if context.options.json {
            return show::print_json(&set.into_iter().collect());
        }
        let set = set.iter();
        let set = set.map(|(key, value)| (key, show::line(value)));
        pager::page(&show::pairs(set))
    })
}

/// A change, a line for each key; or as JSON in one line: what is set, and what is gone.
fn print(change: &Change, json: bool) -> Result<(), Failure> {
    if json {
        let set: Map = change.set.clone().into_iter().collect();
        let gone: Vec<Value> = change.deleted.iter().cloned().map(Value::from).collect();
        return show::print_elements(&[set.into(), gone.into()], true);
    }
    let gone = change.deleted.iter().map(|key| format!("- {key}\n"));
    let set = change.set.iter();
    let set = set.map(|(key, value)| format!("+ {key}  {}\n", show::line(value)));
    output::write(&gone.chain(set).collect::<String>())
}
