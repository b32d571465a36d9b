//! `cal PORT ARGS`: calls a port, and prints its answer.

use aemp::Value;

use super::{Description, Step, Takes, in_network};
use crate::arguments::port;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Session};
use crate::show;

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
    let (to, elements) = (port(&arguments)?, arguments[1..].to_vec());
    let work = async move |session: &Session| network::cal(session, &to, elements).await;
    in_network(line, work, |context, answer| {
        show::print_elements(&answer, context.options.json)
    })
}
