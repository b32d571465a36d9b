//! `top NODE`: a live view of a node.

use aemp::Value;

use super::{Description, Step, Takes};
use crate::arguments::node;
use crate::failure::Failure;
use crate::line::Line;
use crate::{output, show, terminal, top};

pub(super) const TOP: Description = Description {
    name: "top",
    arguments: "NODE",
    about: "Show live how a node does: its links with codecs, rates, queues and round trips, the nodes of the network, and \
            the directory's families. With --json a line each second, with rates in messages and bytes",
    examples: &["top seed", "profile worker top seed", "--json top seed"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let node = node(&arguments)?;
    let profile = line.profile.clone();
    line.check_profile(profile.as_deref())?;
    Ok(Some(Box::new(move |context| {
        if context.options.json {
            return context.in_network(profile.as_deref(), async |session| {
                let print =
                    |map| output::write(&format!("{}\n", show::json(&Value::Map(map), false)));
                top::tell(session, node, print).await
            });
        }
        if !terminal::is_screen() {
            return Err(Failure::Failed(
                "top draws on a terminal, and the output is none; \"aemp --json top NODE\" prints a line each second".into(),
            ));
        }
        context.in_network(profile.as_deref(), async |session| {
            top::show(session, node).await
        })
    })))
}
