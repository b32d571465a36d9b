//! `ps NODE`: the ports of a node.

use aemp::{Map, Value};

use super::{Description, Step, Takes, in_network, node, show};
use crate::context::Context;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Port, Session};
use crate::pager;

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
    Ok(in_network(line, work, print))
}

fn print(context: &Context, ports: Vec<Port>) -> Result<(), Failure> {
    let (map, text) = shown(ports);
    match context.options.json {
        true => show::print_json(&map),
        false => pager::page(&text),
    }
}

/// The ports as a map and as a table, in the order of their names.
pub(crate) fn shown(mut ports: Vec<Port>) -> (Map, String) {
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    let map = ports.iter().map(|port| {
        let numbers: Map = [
            ("messages", port.messages),
            ("queued", port.queued),
            ("watchers", port.watchers),
            ("monitors", port.monitors),
            ("tasks", port.tasks),
        ]
        .into_iter()
        .collect();
        (port.name.as_str(), Value::from(numbers))
    });
    (map.collect(), table(&ports))
}

fn table(ports: &[Port]) -> String {
    let longest = ports
        .iter()
        .map(|port| port.name.len())
        .max()
        .unwrap_or(0)
        .max(11);
    let mut text = format!(
        "{:longest$} {:>12} {:>8} {:>8} {:>8} {:>6}\n",
        "PORT", "MESSAGES", "QUEUED", "WATCHERS", "MONITORS", "TASKS"
    );
    for port in ports {
        let name = if port.name.is_empty() {
            "(node port)"
        } else {
            &port.name
        };
        text += &format!(
            "{name:longest$} {:>12} {:>8} {:>8} {:>8} {:>6}\n",
            port.messages, port.queued, port.watchers, port.monitors, port.tasks
        );
    }
    text
}
