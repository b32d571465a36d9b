//! `trace NODE`: who is connected to whom.

use aemp::{Map, NodeId, Value};

use super::{Description, Step, Takes};
use crate::arguments::node;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Heard};
use crate::output;
use crate::show;

pub(super) const TRACE: Description = Description {
    name: "trace",
    arguments: "NODE",
    about: "Print whom a node is connected to, and so on through the network",
    examples: &["trace seed", "--json trace seed"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (profile, first) = (line.profile.clone(), node(&arguments)?);
    line.check_profile(profile.as_deref())?;
    Ok(Some(Box::new(move |context| {
        let json = context.options.json;
        let mut all = Vec::new();
        let mut failed = None;
        context.in_network(profile.as_deref(), async |session| {
            network::trace(session, &first, |(node, answer): Heard| match answer {
                Ok(neighbours) if json => {
                    let neighbours: Vec<Value> = neighbours.iter().map(Value::from).collect();
                    all.push((Value::from(&node), Value::from(neighbours)));
                }
                Ok(neighbours) => {
                    let names: Vec<&str> = neighbours.iter().map(NodeId::as_str).collect();
                    // As they come; a reader that has gone shows at the next command.
                    let _ = output::write(&format!("{node} -> {}\n", names.join(" ")));
                }
                Err(failure) if node == first => failed = Some(failure),
                Err(failure) => output::hint(&aemp::error::Report(&failure).to_string()),
            })
            .await;
            Ok(())
        })?;
        if let Some(failure) = failed {
            return Err(failure.into());
        }
        match json {
            true => show::print_json(&Map::from(all)),
            false => Ok(()),
        }
    })))
}
