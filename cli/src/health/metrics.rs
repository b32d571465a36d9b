//! A node's statistics as Prometheus reads them, copied at the moment of the scrape: nothing is kept of peers that are gone. The names
//! are those of docs/observing.md.
//!
//! Written here and not by a library: the usual one (`prometheus-client`) puts label values down as they are, and a peer chooses
//! its own name, in which a quotation mark or a backslash can stand.

use std::fmt::{self, Write};

use aemp::LocalNode;
use aemp::stats::{ConnectionStats, NodeStats, ShardStats};

/// The text format of Prometheus, which all that scrape read.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric of each `T`: its name, what it is, its type, and how its value is read.
type Metric<T> = (
    &'static str,
    &'static str,
    &'static str,
    fn(&T) -> Option<f64>,
);

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

const OF_NODE: &[Metric<NodeStats>] = &[
    ("aemp_links", "Connections that are up.", GAUGE, |node| {
        some(node.connections.len())
    }),
    (
        "aemp_refused_connections_total",
        "Connections from others that did not come up.",
        COUNTER,
        |node| count(node.refused_connections),
    ),
    (
        "aemp_local_refused_total",
        "Messages of this node's own senders that found no room.",
        COUNTER,
        |node| count(node.local_refused),
    ),
];

const OF_PEER: &[Metric<ConnectionStats>] = &[
    (
        "aemp_sent_messages_total",
        "Messages sent over the connection.",
        COUNTER,
        |link| count(link.sent.messages),
    ),
    (
        "aemp_sent_bytes_total",
        "Bytes sent over the connection.",
        COUNTER,
        |link| count(link.sent.bytes),
    ),
    (
        "aemp_received_messages_total",
        "Messages received over the connection.",
        COUNTER,
        |link| count(link.received.messages),
    ),
    (
        "aemp_received_bytes_total",
        "Bytes received over the connection.",
        COUNTER,
        |link| count(link.received.bytes),
    ),
    (
        "aemp_odd_requests_total",
        "Requests of the peer that meant nothing here.",
        COUNTER,
        |link| count(link.unknown_requests),
    ),
    (
        "aemp_refused_requests_total",
        "Requests of the peer that the policy or a limit refused.",
        COUNTER,
        |link| count(link.refused),
    ),
    (
        "aemp_queued_bytes",
        "Bytes that wait to be written.",
        GAUGE,
        |link| some(link.queued),
    ),
    (
        "aemp_monitors",
        "Ports of the peer that are monitored here.",
        GAUGE,
        |link| some(link.monitors),
    ),
    (
        "aemp_watches",
        "Monitors of the peer on ports here.",
        GAUGE,
        |link| some(link.watches),
    ),
    (
        "aemp_round_trip_seconds",
        "How long the peer took to answer when it was last asked.",
        GAUGE,
        |link| link.rtt.map(|time| time.as_secs_f64()),
    ),
];

const OF_SHARD: &[Metric<ShardStats>] = &[
    (
        "aemp_shard_done_total",
        "Messages, kills, monitor requests and callbacks that the shard has done.",
        COUNTER,
        |shard| count(shard.processed),
    ),
    (
        "aemp_shard_queued",
        "Operations that wait for the shard.",
        GAUGE,
        |shard| some(shard.queued),
    ),
    (
        "aemp_shard_backlog_bytes",
        "Bytes from peers that were read and that the shard has not worked off.",
        GAUGE,
        |shard| some(shard.backlog),
    ),
    (
        "aemp_shard_local_backlog_bytes",
        "Bytes from senders of this node that the shard has not worked off.",
        GAUGE,
        |shard| some(shard.local_backlog),
    ),
];

fn some(number: usize) -> Option<f64> {
    Some(number as f64)
}

fn count(number: u64) -> Option<f64> {
    Some(number as f64)
}

/// The statistics of `node`.
pub(super) fn text(node: &LocalNode) -> String {
    let stats = node.stats();
    let node = Label("node", node.id().as_str().into());
    let mut text = String::new();
    let shards = stats.shards.iter().enumerate();
    // Writing to a string does not fail.
    let _ = write_all(&mut text, &node, OF_NODE, [(None, &stats)]);
    let of_peers = stats.connections.iter().map(|link| {
        let peer = link.info.peer().as_str();
        (Some(Label("peer", peer.into())), link)
    });
    let _ = write_all(&mut text, &node, OF_PEER, of_peers);
    let of_shards = shards.map(|(index, shard)| (Some(Label("shard", index.to_string())), shard));
    let _ = write_all(&mut text, &node, OF_SHARD, of_shards);
    text
}

/// Writes each metric for each of `items`, with the label of the item.
fn write_all<'i, T: 'i>(
    to: &mut String,
    node: &Label,
    metrics: &[Metric<T>],
    items: impl IntoIterator<Item = (Option<Label>, &'i T)>,
) -> fmt::Result {
    let items: Vec<_> = items.into_iter().collect();
    for (name, help, kind, value) in metrics {
        writeln!(to, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        for (label, item) in &items {
            let Some(value) = value(item) else { continue };
            match label {
                None => writeln!(to, "{name}{{{node}}} {value}")?,
                Some(label) => writeln!(to, "{name}{{{node},{label}}} {value}")?,
            }
        }
    }
    Ok(())
}

/// A label's name and value.
struct Label(&'static str, String);

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=\"", self.0)?;
        for c in self.1.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::Label;

    #[test]
    fn a_name_cannot_leave_its_label() {
        let name = "a\\\"} 1\nb";
        let written = Label("peer", name.into()).to_string();
        assert_eq!(written, r#"peer="a\\\"} 1\nb""#);
    }
}
