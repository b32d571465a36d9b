//! `ps NODE`: the ports of a node.

use aemp::Value;

use super::{Description, Step, Takes, in_network};
use crate::arguments::node;
use crate::context::Context;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Port, Session};
use crate::pager;
use crate::show;

pub(super) const PS: Description = Description {
    name: "ps",
    arguments: "NODE",
    about: "Print a node's ports: messages so far, waiting messages, monitors on them and of them, tasks",
    examples: &["ps worker", "--json ps worker"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let to = node(&arguments)?;
    let work = async move |session: &Session| network::ports(session, &to).await;
    in_network(line, work, print)
}

fn print(context: &Context, ports: Vec<Port>) -> Result<(), Failure> {
    let (map, text) = show::ports(ports);
    match context.options.json {
        true => show::print_json(&map),
        false => pager::page(&text),
    }
}
