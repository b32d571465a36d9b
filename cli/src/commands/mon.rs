//! `mon PORT`: waits for a port's death, and prints why.

use aemp::Value;

use super::{Description, Step, Takes, port, show};
use crate::chain::Line;
use crate::failure::Failure;
use crate::network;

pub(super) const MON: Description = Description {
    name: "mon",
    arguments: "PORT",
    about: "Wait until a port is gone, however long that takes, and print the reason",
    examples: &["mon 'worker#jobs'", "mon worker"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (profile, to) = (line.profile.clone(), port(&arguments)?);
    Ok(Some(Box::new(move |context| {
        let reason = context.in_network(profile.as_deref(), async |session| {
            Ok(network::mon(session, &to).await)
        })?;
        show::print_elements(reason.values(), context.options.json)
    })))
}
