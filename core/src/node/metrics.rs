//! Exports a node's statistics to the `metrics` facade. They are copied periodically, so that the path of a message
//! contains no metrics calls.

use std::sync::Arc;
use std::time::Duration;

use aemp_proto::map::HashMap;
use metrics::{counter, gauge};

use super::{Inner, NodeStats};
use crate::NodeId;
use crate::deadline::Ticks;
use crate::shard::ShardStats;
use crate::traffic::{ConnectionStats, Traffic};

/// Copies the statistics of `node` every `period`, until it stops.
pub(super) async fn export(node: Arc<Inner>, period: Duration) {
    let mut exporter = Exporter {
        node: node.id.clone(),
        links: HashMap::default(),
        shards: Vec::new(),
        refused: 0,
        local_refused: 0,
    };
    let mut ticks = Ticks::every(period.max(Duration::from_millis(10)));
    loop {
        exporter.copy(&node.stats());
        tokio::select! {
            biased;
            () = node.life.stop.cancelled() => return,
            () = ticks.next() => {}
        }
    }
}

/// Keeps the last values, since the facade's counters take increments, and a new connection counts from 0.
struct Exporter {
    node: NodeId,
    links: HashMap<NodeId, (u64, [u64; 6])>,
    shards: Vec<u64>,
    refused: u64,
    local_refused: u64,
}

impl Exporter {
    fn copy(&mut self, stats: &NodeStats) {
        gauge!("aemp_links", "node" => self.node.to_string()).set(stats.connections.len() as f64);
        let refused = stats.refused_connections - self.refused;
        self.refused = stats.refused_connections;
        counter!("aemp_refused_connections_total", "node" => self.node.to_string())
            .increment(refused);
        let refused = stats.local_refused - self.local_refused;
        self.local_refused = stats.local_refused;
        counter!("aemp_local_refused_total", "node" => self.node.to_string()).increment(refused);
        self.links.retain(|peer, _| {
            stats
                .connections
                .iter()
                .any(|link| link.info.peer() == peer)
        });
        for link in &stats.connections {
            self.copy_link(link);
        }
        for (shard, stats) in stats.shards.iter().enumerate() {
            self.copy_shard(shard, stats);
        }
    }

    fn copy_link(&mut self, stats: &ConnectionStats) {
        let peer = stats.info.peer();
        let labels = [("node", self.node.to_string()), ("peer", peer.to_string())];
        let Traffic { messages, bytes } = stats.sent;
        let received = stats.received;
        let now = [
            messages,
            bytes,
            received.messages,
            received.bytes,
            stats.unknown_requests,
            stats.refused,
        ];
        let generation = stats.info.generation();
        let last = self.links.entry(peer.clone()).or_default();
        if last.0 != generation {
            *last = (generation, [0; 6]);
        }
        let grown: Vec<u64> = now
            .iter()
            .zip(last.1)
            .map(|(now, last)| now - last)
            .collect();
        last.1 = now;
        counter!("aemp_sent_messages_total", &labels).increment(grown[0]);
        counter!("aemp_sent_bytes_total", &labels).increment(grown[1]);
        counter!("aemp_received_messages_total", &labels).increment(grown[2]);
        counter!("aemp_received_bytes_total", &labels).increment(grown[3]);
        counter!("aemp_odd_requests_total", &labels).increment(grown[4]);
        counter!("aemp_refused_requests_total", &labels).increment(grown[5]);
        gauge!("aemp_queued_bytes", &labels).set(stats.queued as f64);
        gauge!("aemp_monitors", &labels).set(stats.monitors as f64);
        gauge!("aemp_watches", &labels).set(stats.watches as f64);
        if let Some(took) = stats.rtt {
            gauge!("aemp_round_trip_seconds", &labels).set(took.as_secs_f64());
        }
    }

    fn copy_shard(&mut self, shard: usize, stats: &ShardStats) {
        let labels = [
            ("node", self.node.to_string()),
            ("shard", shard.to_string()),
        ];
        if self.shards.len() <= shard {
            self.shards.resize(shard + 1, 0);
        }
        let last = std::mem::replace(&mut self.shards[shard], stats.processed);
        counter!("aemp_shard_done_total", &labels).increment(stats.processed - last);
        gauge!("aemp_shard_queued", &labels).set(stats.queued as f64);
        gauge!("aemp_shard_backlog_bytes", &labels).set(stats.backlog as f64);
        gauge!("aemp_shard_local_backlog_bytes", &labels).set(stats.local_backlog as f64);
    }
}
