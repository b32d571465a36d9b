//! `dot NODE`: the network as a graph for Graphviz.

use aemp::Value;

use super::{Description, Step, Takes, in_network, node};
use crate::chain::Line;
use crate::failure::Failure;
use crate::network::{self, Session};
use crate::output;

pub(super) const DOT: Description = Description {
    name: "dot",
    arguments: "NODE",
    about: "Print the network as seen from a node as a graph for Graphviz: nodes coloured by kind, edges named by codecs",
    examples: &["dot seed", "dot seed | dot -Tsvg -o network.svg"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let first = node(&arguments)?;
    let work = async move |session: &Session| network::graph(session, &first).await;
    Ok(in_network(line, work, |_, graph| {
        output::write(&graph.to_dot())
    }))
}
