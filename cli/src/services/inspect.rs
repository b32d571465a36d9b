//! What a node that `run` has started tells of itself: functions that other nodes call, with the port for the answer as
//! their last argument, as in every request (protocol.md section 5).
//!
//! | function | answer |
//! | --- | --- |
//! | `aemp::stats` | one map: `role`, `addresses`, `links` (see below), `shards`, `families` (with how many keys) |
//! | `aemp::ports` | one array of maps: `name`, `messages`, `queued`, `watchers`, `tasks`, `monitors` |
//!
//! A link is a map of `peer`, `generation` (which link of the node it is), `provider`, `sends` and `receives` (codecs), `address`, `sent` and `received` (arrays of
//! messages and bytes), `queued` (bytes), `round_trip` (seconds or null), `monitors`, `watches`, `odd`, `anonymous` (true or
//! false), and `tls` (null, or a map of `version`, `cipher_suite`, and of the peer's certificate `subject`, `fingerprint`
//! and `until`).

use aemp::directory::DirectoryRole;
use aemp::stats::{ConnectionStats, PortStats, Traffic};
use aemp::{LocalNode, Map, PortId, Value};

use crate::certificates;

/// Offers them.
pub(crate) fn offer(node: &LocalNode) {
    node.offer_function("aemp::stats", |node, (reply,): (PortId,)| {
        node.send(&reply, (stats(node),));
    });
    node.offer_function("aemp::ports", |node, (reply,): (PortId,)| {
        // It waits for the shards, so it cannot be done at once.
        let node = node.clone();
        tokio::spawn(async move {
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
        _ => Value::Null,
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
        ("tls", link.tls().map(certificates::map).into()),
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

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().collect::<Map>())
}

fn size(count: usize) -> Value {
    Value::from(count as u64)
}
