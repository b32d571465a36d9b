//! Processes that are stopped: the system goes on answering for them.

use std::time::{Duration, Instant};

use aemp::LocalNode;
use tokio::net::TcpStream;

use crate::stranger::Stranger;
use crate::{SECRET, child, link, port, soon};

const TIMEOUT: Duration = Duration::from_secs(8);

/// `monitor_timeout` less a quarter, and more.
const IN_TIME: std::ops::RangeInclusive<f64> = 6.0..=10.0;

/// What goes to the process while it is stopped.
#[derive(Debug, Clone, Copy)]
enum Sends {
    Nothing,
    /// A few bytes now and then, for which its system has room enough.
    Trickle,
    /// What an ordinary link carries: the systems' buffers, which grow meanwhile, take it for a long time.
    Steady,
    /// Megabytes every other second, after as many while the process ran: for some seconds the buffers take them.
    Bursts,
    /// More than all buffers hold: the system may be the first to notice, by `TCP_USER_TIMEOUT`.
    Flood,
}

impl Sends {
    /// Messages of a KiB to be sent at `time`, where so many were sent before.
    fn due(self, time: Duration, sent: usize) -> usize {
        let millis = time.as_millis() as usize;
        let due = match self {
            Self::Nothing => 0,
            // 5 a second.
            Self::Trickle => millis / 200,
            // 200 KiB a second.
            Self::Steady => millis / 5,
            // 6 MiB every 2 s.
            Self::Bursts => millis / 2000 * (6 << 10),
            // Less than fails the link.
            Self::Flood => 32 << 10,
        };
        due - sent
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_is_noticed_whatever_is_sent_to_it() {
    let node = aemp::node()
        .id("seed")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| config.monitor_timeout = TIMEOUT);
    let node = node.start().await.unwrap();
    let cases = [
        Sends::Nothing,
        Sends::Trickle,
        Sends::Steady,
        Sends::Bursts,
        Sends::Flood,
    ];
    let cases = cases.map(|sends| {
        let node = node.clone();
        tokio::spawn(async move { (sends, stopped(&node, sends).await) })
    });
    // A process that only has nothing to say stays.
    let known = [("AEMP_SEED", node.addresses()[0].to_string())];
    let mut idle = child::start("idle", &["json"], &known);
    idle.line("@ready ").await;
    for case in cases {
        let (sends, took) = case.await.unwrap();
        println!("{sends:?}: {took:.2} s");
        assert!(IN_TIME.contains(&took), "{sends:?}: {took}");
    }
    assert_eq!(
        link(&node, "idle").await.generation(),
        node.connections()[0].generation()
    );
}

/// After how many seconds the monitor on a process that is stopped fires.
async fn stopped(node: &LocalNode, sends: Sends) -> f64 {
    let id = format!("{sends:?}");
    let known = [("AEMP_SEED", node.addresses()[0].to_string())];
    let mut child = child::start(&id, &["cbor"], &known);
    child.line("@ready ").await;
    let gone = node.gone(port(&format!("{id}#echo")));
    // Nobody is there to take it; that makes no difference on the way.
    let nobody = port(&format!("{id}#nobody"));
    let payload = "x".repeat(1 << 10);
    let send = |count| {
        for _ in 0..count {
            node.send(&nobody, (&payload,));
        }
    };
    if let Sends::Steady | Sends::Bursts = sends {
        // The buffers grow.
        send(24 << 10);
        let echo = port(&format!("{id}#echo"));
        let call = node.call::<(String,)>(&echo, ("echo", "all"));
        let (back,) = soon(call.into_future()).await.unwrap();
        assert_eq!(back, "all");
    }
    child.signal("-STOP");
    let start = Instant::now();
    tokio::pin!(gone);
    let mut sent = 0;
    loop {
        tokio::select! {
            why = &mut gone => {
                println!("{why}");
                return start.elapsed().as_secs_f64();
            }
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                let due = sends.due(start.elapsed(), sent);
                send(due);
                sent += due;
                assert!(start.elapsed() < 4 * TIMEOUT, "{sends:?}");
            }
        }
    }
}

/// A peer that reads slowly and answers nothing is kept as long as it reads, however much waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_stays_connected() {
    // Long enough to queue the messages in a debug build on a busy machine before the first ping, which nobody answers.
    let limit = Duration::from_secs(3);
    let node = aemp::node()
        .id("seed")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| {
            config.monitor_timeout = limit;
            config.cleartext = true;
        });
    let node = node.start().await.unwrap();
    let at = node.addresses()[0].target().to_owned();
    let mut slow = Stranger::from(TcpStream::connect(at).await.unwrap());
    slow.prove("slow", "json").await;
    link(&node, "slow").await;
    let gone = node.gone(port("slow#port"));
    tokio::pin!(gone);
    let payload = "x".repeat(1 << 20);
    for _ in 0..24 {
        node.send(port("slow#port"), (&payload,));
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
    // What it had confirmed last may have been some time before.
    assert!((limit / 4..limit * 5 / 4).contains(&took), "{took:?}");
}
