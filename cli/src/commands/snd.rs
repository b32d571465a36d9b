//! `snd PORT ARGS`: sends a message.

use aemp::Value;

use super::{Description, Step, Takes, in_network};
use crate::arguments::port;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Session};

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
    let (to, elements) = (port(&arguments)?, arguments[1..].to_vec());
    let work = async move |session: &Session| network::snd(session, &to, elements).await;
    in_network(line, work, |_, ()| Ok(()))
}
