//! Ten thousand strangers at the door of a node, which has a process of its own, as they have: they cost it little memory,
//! end no link, and keep nobody out.
//!
//! Only Linux has all of 127/8 on its loopback device, and says in `/proc` what a process takes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "../tls/certificates.rs"]
#[allow(dead_code, reason = "one kind of certificate is enough here")]
mod certificates;
mod door;
#[path = "../common/nodes.rs"]
mod nodes;
#[path = "../common/process.rs"]
mod process;
mod strangers;

use std::time::{Duration, Instant};

use certificates::{own, plain};
use door::{Door, Network};
use nodes::{link, port, soon};
use strangers::{Company, Kind};
use tokio::sync::Mutex;

/// Memory that the strangers may take.
const MEMORY: usize = 32 << 20;

/// The goal for a node that joins is a second; so long it may take on a machine that is busy.
const IN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_strangers_cost_little_and_keep_nobody_out() {
    crowd(Network::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_ten_thousand_strangers_cost_little_and_keep_nobody_out() {
    let pem = own("aemp", plain).pem([]);
    crowd(Network { pem: Some(pem) }).await;
}

async fn crowd(network: Network) {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let door = Door::start(&network).await;
    let member = door.member(&network, "member").await;
    let generation = link(&member, "node").await.generation();
    let gone = tokio::spawn(member.gone(port("node#echo")));
    let before = door.memory();
    let places = door.descriptors() + door::PLACES;

    let mut companies: Vec<_> = (0..strangers::COMPANIES)
        .map(|n| Company::start(n, Kind::ALL[n % Kind::ALL.len()], &door, &network))
        .collect();
    for company in &mut companies {
        company.all_there().await;
    }
    let full = async {
        while door.descriptors() < places {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(full).await;
    let mut newcomers = Vec::new();
    for n in 1..=5 {
        let begun = Instant::now();
        newcomers.push(door.member(&network, &format!("newcomer{n}")).await);
        let took = begun.elapsed();
        println!("in after {took:.1?}");
        assert!(took < IN, "{took:?}");
    }

    let grown = door.peak().saturating_sub(before);
    println!("{} KiB more", grown >> 10);
    assert!(grown <= MEMORY, "{grown} bytes");
    assert!(!gone.is_finished());
    assert_eq!(link(&member, "node").await.generation(), generation);
    for node in newcomers.iter().chain([&member]) {
        let (back,): (u32,) = soon(node.call(port("node#echo"), ("echo", 7)))
            .await
            .unwrap();
        assert_eq!(back, 7);
    }
}

/// Not a test: what the other processes run.
#[test]
fn child() {
    process::run(|id| async move {
        match id.as_str() {
            "node" => door::run().await,
            _ => strangers::run().await,
        }
    });
}
