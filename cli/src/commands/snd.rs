//! `snd PORT ARGS`: sends a message.

use aemp::Value;

use super::{Description, Step, Takes, port};
use crate::chain::Line;
use crate::failure::Failure;
use crate::network;

pub(super) const SND: Description = Description {
    name: "snd",
    arguments: "PORT [ARGS]...",
    about: "Send a message to a port, and wait until its node has it",
    examples: &[
        "snd seed#log hello",
        "snd 'worker#jobs' job 7 '{\"fast\":true}'",
    ],
    takes: Takes::Rest,
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (profile, to) = (line.profile.clone(), port(&arguments)?);
    let elements = arguments[1..].to_vec();
    Ok(Some(Box::new(move |context| {
        context.in_network(profile.as_deref(), async |session| {
            Ok(network::snd(session, &to, elements).await?)
        })
    })))
}
