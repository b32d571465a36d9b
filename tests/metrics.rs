//! A node's statistics as the `metrics` facade gets them.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "system/common.rs"]
mod common;
#[allow(dead_code)]
#[path = "common/nodes.rs"]
mod nodes;
#[path = "common/pipe.rs"]
mod pipe;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::policy::Rules;
use aemp::routes;
use common::{Network, linked, node, soon, until};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};

/// Keeps every value under its name and labels.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

struct One(Kept, String);

impl Kept {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Arc::new(One(self.clone(), name))
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.0.lock().unwrap().get(name).copied()
    }
}

impl One {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for One {
    fn increment(&self, by: u64) {
        self.change(|value| *value += by as f64);
    }
    fn absolute(&self, to: u64) {
        self.change(|value| *value = to as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, by: f64) {
        self.change(|value| *value += by);
    }
    fn decrement(&self, by: f64) {
        self.change(|value| *value -= by);
    }
    fn set(&self, to: f64) {
        self.change(|value| *value = to);
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn counters_go_on_over_connections_and_the_export_ends_with_the_node() {
    let kept = Kept::default();
    metrics::set_global_recorder(kept.clone()).unwrap();
    let network = Network::default();
    let a = node("a", &network)
        .bind("mem:a")
        .policy(Rules::default().secure());
    let a = a.start().await.unwrap();
    let echo = a.port_of_named(
        "echo",
        routes().on("echo", |cx, (reply,): (aemp::PortId,)| {
            cx.send(&reply, ());
        }),
    );
    a.export_metrics(Duration::from_millis(100));
    for round in 1..=2 {
        let b = node("b", &network).seed("mem:a").start().await.unwrap();
        linked(&a, "b").await;
        for _ in 0..10 {
            soon(b.call::<()>(echo.as_ref().unwrap(), ("echo",)))
                .await
                .unwrap();
        }
        let least = f64::from(round * 10);
        until("the messages are counted", || {
            kept.get("aemp_received_messages_total node=a peer=b") >= Some(least)
                && kept.get("aemp_sent_messages_total node=a peer=b") >= Some(least)
                && kept.get("aemp_links node=a") == Some(1.0)
        })
        .await;
        soon(b.shutdown()).await;
        until("the link is gone", || {
            kept.get("aemp_links node=a") == Some(0.0)
        })
        .await;
    }
    assert!(kept.get("aemp_shard_done_total node=a shard=0").is_some());
    assert_eq!(kept.get("aemp_refused_connections_total node=a"), Some(0.0));
    // Who has another secret is refused, and who has the right one what no peer may do.
    let other = node("c", &network).secret("incorrect donkey battery clip");
    let other = other.seed("mem:a").start().await.unwrap();
    assert!(soon(other.joined()).await.is_err());
    until("the refused connection is counted", || {
        kept.get("aemp_refused_connections_total node=a") >= Some(1.0)
    })
    .await;
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    b.send("a#", ("function",));
    until("the refused request is counted", || {
        kept.get("aemp_refused_requests_total node=a peer=b") == Some(1.0)
    })
    .await;
    soon(a.shutdown()).await;
}
