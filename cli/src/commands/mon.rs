//! `mon PORT`: waits for a port's death, and prints why.

use aemp::Value;

use super::{Description, Step, Takes, in_network};
use crate::arguments::port;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Session};
use crate::show;

pub(super) const MON: Description = Description {
    name: "mon",
    arguments: "PORT",
    about: "Wait until a port is gone, however long that takes, and print the reason",
    examples: &["mon 'worker#jobs'", "mon worker"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let to = port(&arguments)?;
    let work = async move |session: &Session| Ok(network::mon(session, &to).await);
    in_network(line, work, |context, reason| {
        show::print_elements(reason.values(), context.options.json)
    })
}
