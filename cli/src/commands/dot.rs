//! `dot NODE`: the network as a graph for Graphviz, or drawn by it.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use aemp::Value;

use super::{Description, Step, Takes, in_network};
use crate::arguments::node;
use crate::context::Context;
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Graph, Session};
use crate::output;
use crate::show;

pub(super) const DOT: Description = Description {
    name: "dot",
    arguments: "NODE",
    about: "Print the network as seen from a node as a graph for Graphviz: nodes coloured by kind, edges named by codecs; \
            with --svg as a picture, where Graphviz is installed",
    examples: &[
        "dot seed",
        "--svg dot seed > network.svg",
        "--json dot seed",
    ],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let first = node(&arguments)?;
    let work = async move |session: &Session| network::graph(session, &first).await;
    in_network(line, work, print)
}

fn print(context: &Context, graph: Graph) -> Result<(), Failure> {
    if context.options.json {
        return show::print_json(&graph.to_map());
    }
    let dot = graph.to_dot();
    output::write(&if context.options.svg {
        drawn(&dot)?
    } else {
        dot
    })
}

/// The graph as Graphviz draws it.
fn drawn(graph: &str) -> Result<String, Failure> {
    let failed = |what: &str, error: io::Error| {
        match error.kind() {
        io::ErrorKind::NotFound => Failure::Failed(
            "Graphviz is not installed here, of which --svg needs the program dot; without --svg its input is printed".into(),
        ),
        _ => Failure::Failed(format!("{what} the program dot: {error}")),
    }
    };
    let mut dot = Command::new("dot");
    dot.arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut dot = dot.spawn().map_err(|error| failed("cannot run", error))?;
    if let Some(mut input) = dot.stdin.take() {
        // It reads all before it draws, so neither waits for the other.
        let written = input.write_all(graph.as_bytes());
        written.map_err(|error| failed("cannot write to", error))?;
    }
    let done = dot.wait_with_output();
    let done = done.map_err(|error| failed("cannot read from", error))?;
    if !done.status.success() {
        return Err(Failure::Failed(format!(
            "the program dot does not draw it: {}",
            done.status
        )));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
