//! `restart NODE`: has a node start anew.

use aemp::Value;

use super::{Description, Step, Takes, node};
use crate::chain::Line;
use crate::failure::Failure;
use crate::network;

pub(super) const RESTART: Description = Description {
    name: "restart",
    arguments: "NODE",
    about: "Have a node start anew: one that run has started, or an AnyEvent::MP node under a watchdog",
    examples: &["restart worker"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (profile, to) = (line.profile.clone(), node(&arguments)?);
    Ok(Some(Box::new(move |context| {
        context.in_network(profile.as_deref(), async |session| {
            Ok(network::restart(session, &to).await?)
        })
    })))
}
