//! `dot NODE`: the network as a graph for Graphviz.

use aemp::Value;

use super::{Description, Step, Takes, node};
use crate::chain::Line;
use crate::failure::Failure;
use crate::{network, output};

pub(super) const DOT: Description = Description {
    name: "dot",
    arguments: "NODE",
    about: "Print the network as seen from a node as a graph for Graphviz: nodes coloured by kind, edges named by codecs",
    examples: &["dot seed", "dot seed | dot -Tsvg -o network.svg"],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (profile, first) = (line.profile.clone(), node(&arguments)?);
    Ok(Some(Box::new(move |context| {
        let graph = context.in_network(profile.as_deref(), async |session| {
            Ok(network::graph(session, &first).await?)
        })?;
        output::write(&graph.to_dot())
    })))
}
