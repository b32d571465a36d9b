//! The statistics of a node and its ports as values: functions that other nodes call, with the port for the answer as
//! their last argument, as in every request ([protocol.md section 5]).
//!
//! A link is a map of `peer`, `generation` (which link of the node it is), `provider`, `sends` and `receives` (codecs), `address`, `sent` and `received` (arrays of
//! messages and bytes), `queued` (bytes), `round_trip` (seconds or null), `monitors`, `watches`, `odd`, `anonymous` (true or
//! false), and `tls` (null, or a map of `version`, `cipher_suite`, and of the peer's certificate `subject`, `fingerprint`
//! and `until`, in seconds since 1970).
//!
//! [protocol.md section 5]: crate::protocol#5-the-node-protocol

use super::{map, seconds, spawn};
use crate::node::DirectoryRole;
use crate::shard::PortStats;
use crate::traffic::{ConnectionStats, Traffic};
use crate::transport::TlsInfo;
use crate::{LocalNode, PortId, Value};

/// Offers `aemp::stats` and `aemp::ports`.
pub(super) fn offer(node: &LocalNode) {
    node.offer_function("aemp::stats", |node, (reply,): (PortId,)| {
        node.send(&reply, (stats(node),));
    });
    node.offer_function("aemp::ports", |node, (reply,): (PortId,)| {
        // It waits for the shards, so it cannot be done at once.
        spawn(node, async move |node| {
            let ports: Vec<Value> = node.ports().await.iter().map(port).collect();
            node.send(&reply, (Value::from(ports),));
        });
    });
}

fn stats(node: &LocalNode) -> Value {
    let role = match node.directory().role() {
        DirectoryRole::Alone => Value::from("alone"),
        DirectoryRole::Searching => "searching".into(),
        DirectoryRole::Client(master) => vec!["slave".into(), Value::from(&master)].into(),
        DirectoryRole::Global => "global".into(),
    };
    let addresses = node.addresses().into_iter();
    let addresses: Vec<Value> = addresses
        .map(|address| address.to_string().into())
        .collect();
    let stats = node.stats();
    let shards = stats.shards.iter().map(|shard| {
        map([
            ("done", shard.processed.into()),
            ("queued", size(shard.queued)),
            ("backlog", size(shard.backlog)),
            ("local_backlog", size(shard.local_backlog)),
        ])
    });
    let families = node.directory().sizes().into_iter();
    map([
        ("role", role),
        ("addresses", addresses.into()),
        (
            "links",
            stats
                .connections
                .iter()
                .map(link)
                .collect::<Vec<_>>()
                .into(),
        ),
        ("shards", shards.collect::<Vec<_>>().into()),
        (
            "families",
            Value::Map(
                families
                    .map(|(family, keys)| (family, size(keys)))
                    .collect(),
            ),
        ),
    ])
}

fn link(stats: &ConnectionStats) -> Value {
    let link = &stats.info;
    let traffic =
        |traffic: Traffic| -> Value { vec![traffic.messages.into(), traffic.bytes.into()].into() };
    map([
        ("peer", link.peer().into()),
        ("generation", link.generation().into()),
        ("provider", link.agent().into()),
        ("sends", link.send_codec().into()),
        ("receives", link.recv_codec().into()),
        (
            "address",
            link.address().map(|address| address.to_string()).into(),
        ),
        ("sent", traffic(stats.sent)),
        ("received", traffic(stats.received)),
        ("queued", size(stats.queued)),
        (
            "round_trip",
            stats.rtt.map(|time| time.as_secs_f64()).into(),
        ),
        ("monitors", size(stats.monitors)),
        ("watches", size(stats.watches)),
        ("odd", stats.unknown_requests.into()),
        ("anonymous", link.is_anonymous().into()),
        ("tls", link.tls().map(tls).into()),
    ])
}

fn port(stats: &PortStats) -> Value {
    map([
        ("name", (&stats.name).into()),
        ("messages", stats.messages.into()),
        ("queued", size(stats.queued)),
        ("watchers", size(stats.watchers)),
        ("tasks", size(stats.tasks)),
        ("monitors", size(stats.monitors)),
    ])
}

fn tls(tls: &TlsInfo) -> Value {
    let mut pairs = vec![
        ("version", Value::from(tls.version.clone())),
        ("cipher_suite", tls.cipher_suite.clone().into()),
    ];
    if let Some(certificate) = &tls.certificate {
        pairs.extend([
            ("subject", Value::from(certificate.subject.clone())),
            ("fingerprint", certificate.fingerprint_hex().into()),
            ("until", (seconds(certificate.not_after) as u64).into()),
        ]);
    }
    Value::Map(pairs.into_iter().collect())
}

fn size(count: usize) -> Value {
    Value::from(count as u64)
}
