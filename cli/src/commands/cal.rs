//! `cal PORT ARGS`: calls a port, and prints its answer.

use aemp::Value;

use super::{Description, Step, Takes, port, show};
use crate::chain::Line;
use crate::failure::Failure;
use crate::network;

pub(super) const CAL: Description = Description {
    name: "cal",
    arguments: "PORT [ARGS]...",
    about: "Send a message to a port with a place for the answer, and print that",
    examples: &[
        "cal seed time",
        "cal 'worker#echo' hello",
        "--json cal 'worker#echo' 1 2",
    ],
    takes: Takes::Rest,
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (profile, to) = (line.profile.clone(), port(&arguments)?);
    let elements = arguments[1..].to_vec();
    Ok(Some(Box::new(move |context| {
        let answer = context.in_network(profile.as_deref(), async |session| {
            Ok(network::cal(session, &to, elements).await?)
        })?;
        show::print_elements(&answer, context.options.json)
    })))
}
