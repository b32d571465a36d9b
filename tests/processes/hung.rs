//! Processes that are stopped: the system goes on answering for them.

use std::time::{Duration, Instant};

use aemp::LocalNode;

use crate::child::{Child, SECRET};
use crate::{link, port};

const TIMEOUT: Duration = Duration::from_secs(8);

/// `monitor_timeout` less a quarter, and more.
const IN_TIME: std::ops::RangeInclusive<f64> = 6.0..=10.0;

/// What goes to the process while it is stopped.
#[derive(Debug, Clone, Copy)]
enum Sends {
    Nothing,
    /// A few bytes now and then, for which its system has room enough.
    Trickle,
    /// More than all buffers hold: the system may be the first to notice, by `TCP_USER_TIMEOUT`.
    Flood,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_is_noticed_whatever_is_sent_to_it() {
    let node = aemp::node()
        .id("seed")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| config.monitor_timeout = TIMEOUT);
    let node = node.start().await.unwrap();
    let cases = [Sends::Nothing, Sends::Trickle, Sends::Flood].map(|sends| {
        let node = node.clone();
        tokio::spawn(async move { (sends, stopped(&node, sends).await) })
    });
    // A process that only has nothing to say stays.
    let known = [("AEMP_SEED", node.addresses()[0].to_string())];
    let mut idle = Child::start("idle", &["json"], &known);
    idle.line("@ready ").await;
    for case in cases {
        let (sends, took) = case.await.unwrap();
        println!("{sends:?}: {took:.2} s");
        assert!(IN_TIME.contains(&took), "{sends:?}: {took}");
    }
    assert_eq!(
        link(&node, "idle").await.generation(),
        node.links()[0].generation()
    );
}

/// After how many seconds the monitor on a process that is stopped fires.
async fn stopped(node: &LocalNode, sends: Sends) -> f64 {
    let id = format!("{sends:?}");
    let known = [("AEMP_SEED", node.addresses()[0].to_string())];
    let mut child = Child::start(&id, &["cbor"], &known);
    child.line("@ready ").await;
    let gone = node.gone(&port(&format!("{id}#echo")));
    // Nobody is there to take it; that makes no difference on the way.
    let nobody = port(&format!("{id}#nobody"));
    child.stop();
    let start = Instant::now();
    tokio::pin!(gone);
    let flood = [0u8; 1 << 10].map(char::from).iter().collect::<String>();
    if let Sends::Flood = sends {
        // Less than fails the link, more than the systems on both sides buffer.
        for _ in 0..32 << 10 {
            node.send(&nobody, (&flood,));
        }
    }
    loop {
        tokio::select! {
            why = &mut gone => {
                println!("{why}");
                return start.elapsed().as_secs_f64();
            }
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                if let Sends::Trickle = sends {
                    node.send(&nobody, ("tick",));
                }
                assert!(start.elapsed() < 4 * TIMEOUT, "{sends:?}");
            }
        }
    }
}
