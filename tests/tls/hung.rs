//! Peers that hang or are slow under TLS: what rustls holds back is not confirmed, and what is confirmed below is progress.

use std::time::{Duration, Instant};

use aemp::{LocalNode, PortId};

use crate::certificates::{own, plain};
use crate::nodes::{link, soon};
use crate::pair::{Dialer, listen, node};
use crate::process::Child;
use crate::stranger::Stranger;

const TIMEOUT: Duration = Duration::from_secs(4);

/// `monitor_timeout` less a quarter, and more.
const IN_TIME: std::ops::RangeInclusive<f64> = 3.0..=5.0;

/// After how many seconds the monitor on a process that is stopped fires, while so many KiB are sent to it each 50 ms.
async fn stopped(node: LocalNode, address: String, pem: String, kib: usize) -> f64 {
    let id = format!("child{kib}");
    let mut child = Child::start(&id, [("AEMP_SEED", address), ("AEMP_CERT", pem)]);
    child.line("@ready").await;
    link(&node, &id).await;
    let gone = node.gone(format!("{id}#echo"));
    tokio::pin!(gone);
    let nobody: PortId = format!("{id}#nobody").parse().unwrap();
    let payload = "x".repeat(1 << 10);
    child.signal("-STOP");
    let start = Instant::now();
    loop {
        tokio::select! {
            _ = &mut gone => return start.elapsed().as_secs_f64(),
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                for _ in 0..kib {
                    node.send(&nobody, (&payload,));
                }
                assert!(start.elapsed() < 4 * TIMEOUT, "{kib} KiB");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_is_noticed_whatever_is_sent_to_it() {
    let pem = own("aemp", plain).pem([]);
    let seed = node("seed", &pem).configure(|config| config.monitor_timeout = TIMEOUT);
    let (seed, address) = listen(seed).await;
    let cases = [0, 10, 300]
        .map(|kib| tokio::spawn(stopped(seed.clone(), address.clone(), pem.clone(), kib)));
    for case in cases {
        let took = case.await.unwrap();
        assert!(IN_TIME.contains(&took), "{took}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_stays_connected() {
    // Long enough to queue the messages in a debug build on a busy machine before the first ping, which nobody answers.
    let limit = Duration::from_secs(3);
    let made = own("aemp", plain);
    let seed = node("seed", &made.pem([])).configure(|config| config.monitor_timeout = limit);
    let (_, seed) = Dialer::Client.nonces(aemp::node(), seed);
    let (seed, address) = listen(seed).await;
    let mut slow = Stranger::dial(&address, "slow", Some(&made)).await.unwrap();
    slow.hash().await;
    link(&seed, "slow").await;
    let gone = seed.gone("slow#port");
    tokio::pin!(gone);
    let payload = "x".repeat(1 << 20);
    for _ in 0..24 {
        seed.send("slow#port", (&payload,));
    }
    let start = Instant::now();
    while start.elapsed() < 3 * limit {
        slow.take(64 << 10).await;
        tokio::select! {
            why = &mut gone => panic!("given up after {:?}: {why}", start.elapsed()),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    // It stops reading.
    let stopped = Instant::now();
    soon(gone).await;
    let took = stopped.elapsed();
    assert!((limit / 4..limit * 5 / 4).contains(&took), "{took:?}");
}
