//! `restart NODE`: has a node start anew.

use aemp::Value;

use super::{Description, Step, Takes, in_network};
use crate::arguments::node;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Session};

pub(super) const RESTART: Description = Description {
    name: "restart",
    arguments: "NODE",
    about: "Have a node start anew: one that run has started, or an AnyEvent::MP node under a watchdog; \
            with --yes also one without, which ends it for good",
    examples: &["restart worker", "--yes restart perlnode"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (to, yes) = (node(&arguments)?, line.options.yes);
    let work = async move |session: &Session| network::restart(session, &to, yes).await;
    in_network(line, work, |_, ()| Ok(()))
}
