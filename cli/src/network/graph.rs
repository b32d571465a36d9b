//! `dot`: the network as a graph in Graphviz's language.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aemp::{Map, NodeId, Value};

use super::{Failure, NodeStats, Session, stats, trace};

/// What is known of a network: nodes, and who speaks what to whom.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: BTreeMap<String, Kind>,
    /// By the two nodes, the lower ID first: what the first sends to the second, and the other way round.
    edges: BTreeMap<[String; 2], [Option<String>; 2]>,
}

/// What a node is, as far as it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    Global,
    Slave,
    Alone,
    /// It offers nothing to ask: an AnyEvent::MP node, or one that `run` has not started.
    #[default]
    Other,
    /// It was heard of, and did not answer.
    Silent,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Slave => "slave",
            Self::Alone => "alone",
            Self::Other => "other",
            Self::Silent => "silent",
        }
    }

    fn color(self) -> &'static str {
        match self {
            Self::Global => "gold",
            Self::Slave => "lightblue",
            Self::Alone => "white",
            Self::Other => "lightgray",
            Self::Silent => "salmon",
        }
    }
}

impl Graph {
    /// A node that answered, and whom it is connected to.
    pub(crate) fn add(&mut self, node: &str, neighbours: &[NodeId], stats: Option<&NodeStats>) {
        let kind = stats.map_or(Kind::Other, |stats| match &stats.role {
            Value::Text(role) if role == "global" => Kind::Global,
            Value::Text(_) => Kind::Alone,
            _ => Kind::Slave,
        });
        self.nodes.insert(node.into(), kind);
        for neighbour in neighbours {
            self.nodes.entry(neighbour.as_str().into()).or_default();
            self.edge(node, neighbour.as_str());
        }
        for link in stats.iter().flat_map(|stats| &stats.links) {
            let first = usize::from(node > link.peer.as_str());
            let edge = self.edge(node, &link.peer);
            edge[first] = Some(link.sends.clone());
            edge[1 - first] = Some(link.receives.clone());
        }
    }

    /// A node that did not answer.
    pub(crate) fn add_silent(&mut self, node: &str) {
        self.nodes.insert(node.into(), Kind::Silent);
    }

    fn edge(&mut self, a: &str, b: &str) -> &mut [Option<String>; 2] {
        let mut ends = [a.to_owned(), b.to_owned()];
        ends.sort();
        self.edges.entry(ends).or_default()
    }

    /// Leaves a node out, with its edges.
    pub(crate) fn remove(&mut self, node: &str) {
        self.nodes.remove(node);
        self.edges
            .retain(|ends, _| !ends.iter().any(|end| end == node));
    }

    /// As data: what each node is, and who is connected to whom with which codecs, from the first to the second and back.
    pub(crate) fn to_map(&self) -> Map {
        let nodes: Map = self
            .nodes
            .iter()
            .map(|(node, kind)| (node.as_str(), kind.name()))
            .collect();
        let edges = self.edges.iter().map(|(ends, codecs)| {
            let ends = ends.iter().map(|end| Value::from(end.as_str()));
            let codecs = codecs.iter().map(|codec| Value::from(codec.as_deref()));
            Value::from(ends.chain(codecs).collect::<Vec<_>>())
        });
        let edges = Value::from(edges.collect::<Vec<_>>());
        [("nodes", nodes.into()), ("edges", edges)]
            .into_iter()
            .collect()
    }

    /// The text for Graphviz.
    pub(crate) fn to_dot(&self) -> String {
        let mut text = String::from("graph aemp {\n  node [shape=box, style=filled];\n");
        for (node, kind) in &self.nodes {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {} [fillcolor={}];", quoted(node), kind.color());
        }
        for ([a, b], codecs) in &self.edges {
            let label = match codecs {
                [Some(there), Some(back)] if there == back => there.clone(),
                [Some(there), Some(back)] => format!("{there} / {back}"),
                _ => String::new(),
            };
            let (a, b) = (quoted(a), quoted(b));
            let _ = match label.is_empty() {
                true => writeln!(text, "  {a} -- {b};"),
                false => writeln!(text, "  {a} -- {b} [label={}];", quoted(&label)),
            };
        }
        text + "}\n"
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Goes through the network from `first` on. The node of this command is left out.
pub(crate) async fn graph(session: &Session, first: &NodeId) -> Result<Graph, Failure> {
    let mut heard = Vec::new();
    trace(session, first, |answer| heard.push(answer)).await;
    let mut graph = Graph::default();
    for (node, neighbours) in heard {
        match neighbours {
            Ok(neighbours) => {
                let stats = stats(session, &node).await.ok();
                graph.add(node.as_str(), &neighbours, stats.as_ref());
            }
            Err(failure) if node == *first => return Err(failure),
            Err(_) => graph.add_silent(node.as_str()),
        }
    }
    graph.remove(session.node.id().as_str());
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_coloured_by_kind_and_edges_named_by_codecs() {
        let mut graph = Graph::default();
        let link = |peer: &str, sends: &str, receives: &str| super::super::inspect::Link {
            peer: peer.into(),
            sends: sends.into(),
            receives: receives.into(),
            ..super::super::inspect::Link::default()
        };
        let stats = NodeStats {
            role: "global".into(),
            links: vec![link("a\"b", "cbor", "json"), link("me", "json", "json")],
            ..NodeStats::default()
        };
        let id = |name: &str| NodeId::new(name).unwrap();
        graph.add("seed", &[id("a\"b"), id("me")], Some(&stats));
        graph.add("a\"b", &[id("seed"), id("gone")], None);
        graph.add_silent("gone");
        graph.remove("me");
        assert_eq!(
            graph.to_dot(),
            r#"graph aemp {
  node [shape=box, style=filled];
  "a\"b" [fillcolor=lightgray];
  "gone" [fillcolor=salmon];
  "seed" [fillcolor=gold];
  "a\"b" -- "gone";
  "a\"b" -- "seed" [label="json / cbor"];
}
"#
        );
    }
}
