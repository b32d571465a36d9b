//! Processes on hosts of their own, whose network falls in two and comes together again, or who see each other through a
//! router that translates addresses. Run with `cargo test --test namespaces -- --ignored`, as root, where `ip` can make namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "../tls/certificates.rs"]
#[allow(dead_code, reason = "one kind of certificate is enough here")]
mod certificates;
mod lab;
#[path = "../common/lines.rs"]
mod lines;
#[path = "../common/log.rs"]
mod log;
#[path = "../security/middle.rs"]
#[allow(dead_code, reason = "this attacker always changes something")]
mod middle;
mod nat;
mod netns;
#[path = "../common/nodes.rs"]
mod nodes;
#[path = "../common/stranger.rs"]
mod stranger;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::Lab;
use netns::Host;
use nodes::SECRET;

const TIMEOUT: Duration = Duration::from_secs(4);

const LEFT: [&str; 3] = ["l0", "l1", "l2"];
const RIGHT: [&str; 3] = ["r0", "r1", "r2"];

/// Waits until every host says that these are in the group, and gives how long it took.
fn all_see(hosts: &[Host], members: &[&str]) -> Duration {
    let start = Instant::now();
    let expected: BTreeSet<String> = members.iter().map(|&name| name.into()).collect();
    for host in hosts {
        host.hear_until(|line| {
            let seen: BTreeSet<String> = line.split_whitespace().map(String::from).collect();
            seen == expected
        });
    }
    start.elapsed()
}

#[test]
#[ignore = "needs root and network namespaces"]
fn six_processes_form_a_network_that_falls_in_two_and_merges() {
    let lab = Lab::new();
    // One seed on either side; l1 speaks JSON only, r1 CBOR only.
    let start = |&name: &&str| {
        let codecs = match name {
            "l1" => "json",
            "r1" => "cbor",
            _ => "cbor,json",
        };
        lab.start(name, codecs)
    };
    let left: Vec<Host> = LEFT.iter().map(start).collect();
    let right: Vec<Host> = RIGHT.iter().map(start).collect();
    let everybody = [LEFT, RIGHT].concat();
    let formed = all_see(&left, &everybody).max(all_see(&right, &everybody));
    println!("formed in {formed:.1?}");

    lab.cut();
    let split = all_see(&left, &LEFT).max(all_see(&right, &RIGHT));
    println!("two networks after {split:.1?}");

    lab.mend();
    let merged = all_see(&left, &everybody).max(all_see(&right, &everybody));
    println!("one network {merged:.1?} after it was mended");
    // Attempts are at most `monitor_timeout` apart, and a connection is made in no time.
    assert!(merged < 3 * TIMEOUT, "{merged:?}");
}

/// What a host runs: a node that is in the group, and says who else is.
#[test]
#[ignore = "runs inside the others"]
fn play_a_part() {
    let Some(part) = netns::part() else {
        return;
    };
    let [name, codecs] = &part[..] else {
        panic!("{part:?}");
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let node = aemp::node()
            .id(name)
            .secret(SECRET)
            .bind("*:4040")
            .seed(format!("{}:4040", lab::address("l0")))
            .seed(format!("{}:4040", lab::address("r0")))
            .codecs(codecs.split(','))
            .configure(|config| config.monitor_timeout = TIMEOUT);
        let node = node.start().await.unwrap();
        let port = node.port(|_: &mut aemp::Context<'_>, _: aemp::Message| ());
        let _member = node.group("all").join(&port).unwrap();
        let mut watch = node.directory().watch("all").unwrap();
        let mut seen = std::collections::BTreeMap::new();
        while let Some(change) = watch.recv().await {
            change.apply(&mut seen);
            let names: Vec<_> = seen
                .keys()
                .filter_map(|key| key.split('#').next())
                .collect();
            println!("@ {}", names.join(" "));
        }
    });
}
