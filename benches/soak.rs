//! A node that lives long: clients connect and leave again, a hundred thousand of them, while another keeps sending. What
//! counts is how memory and file descriptors grow with the number of connections: not at all.
//!
//! Takes twenty minutes; `AEMP_SOAK=CONNECTIONS,SECONDS` says otherwise.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aemp::{LocalNode, PortId, Reason, routes};
use common::{memory, stranger::SECRET};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How many clients are connected at once.
const AT_ONCE: usize = 4;

/// How many samples are taken. The first quarter is warming up.
const SAMPLES: usize = 100;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (connections, seconds) = plan();
    let hub = aemp::node().id("hub").secret(SECRET).bind("127.0.0.1:0");
    let hub = hub.start().await.expect("it starts");
    let at = hub.addresses()[0].to_string();
    let echo = hub.port_of(routes().on("echo", |cx, (n, reply): (u64, PortId)| {
        cx.send(&reply, (n,));
    }));
    let gone = Arc::new(AtomicUsize::new(0));
    let traffic = tokio::spawn(traffic(at.clone(), echo.clone()));

    println!("{connections} connections in {seconds} s");
    let every = Duration::from_secs(seconds) / connections as u32;
    let (mut samples, start) = (Vec::new(), Instant::now());
    let mut clients = tokio::task::JoinSet::new();
    let mut pace = interval(every.max(Duration::from_micros(1)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for n in 0..connections {
        pace.tick().await;
        if clients.len() >= AT_ONCE {
            clients
                .join_next()
                .await
                .expect("there are some")
                .expect("no panic");
        }
        clients.spawn(client(
            n,
            at.clone(),
            hub.clone(),
            echo.clone(),
            gone.clone(),
        ));
        if n % (connections / SAMPLES).max(1) == 0
            && let (Some(memory), Some(files)) = (memory::resident(), files())
        {
            samples.push((n as f64, memory as f64, files as f64));
            if samples.len() % 10 == 0 {
                println!(
                    "{:>5.0} s, {n:>6} connections: {:.1} MiB, {files} files, {} links",
                    start.elapsed().as_secs_f64(),
                    memory as f64 / f64::from(1 << 20),
                    hub.connections().len(),
                );
            }
        }
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no panic");
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while gone.load(Ordering::Relaxed) < connections || hub.connections().len() > 1 {
        assert!(
            Instant::now() < deadline,
            "a monitor or a link is left: no result"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    traffic.abort();
    let kept = &samples[samples.len() / 4..];
    let memory = slope(kept.iter().map(|(n, memory, _)| (*n, *memory)));
    let files = slope(kept.iter().map(|(n, _, files)| (*n, *files)));
    println!(
        "{connections} connections in {:.0} s; {:.0} bytes more for each 1,000 (goal: below 1024), {:.3} files (goal: 0)",
        start.elapsed().as_secs_f64(),
        memory * 1000.0,
        files * 1000.0,
    );
}

/// How many connections in how many seconds.
fn plan() -> (usize, u64) {
    let plan = std::env::var("AEMP_SOAK").unwrap_or_else(|_| "100000,1200".into());
    let parts = plan.split_once(',');
    let parts = parts.and_then(|(n, s)| Some((n.parse().ok()?, s.parse().ok()?)));
    parts.expect("AEMP_SOAK is CONNECTIONS,SECONDS")
}

/// A client that connects, is answered, watches and is watched, and leaves in one of two ways.
async fn client(n: usize, at: String, hub: LocalNode, echo: PortId, gone: Arc<AtomicUsize>) {
    let client = aemp::node().secret(SECRET).seed(at);
    let client = client.configure(|config| config.shards = 1);
    let client = client.start().await.expect("it starts");
    client.joined().await.expect("it connects");
    let port = client.port_of(routes());
    let watch = client.gone(&echo);
    let told = move |_: Reason| {
        gone.fetch_add(1, Ordering::Relaxed);
    };
    hub.monitor(&port, told).detach();
    let call = client.call(&echo, ("echo", n as u64));
    let (back,): (u64,) = call.await.expect("it answers");
    assert_eq!(back, n as u64);
    if n.is_multiple_of(2) {
        client.shutdown().await;
    } else {
        drop(client);
    }
    watch.await;
}

/// Calls without end, some hundreds a second.
async fn traffic(at: String, echo: PortId) {
    let steady = aemp::node().id("steady").secret(SECRET).seed(at);
    let steady = steady.start().await.expect("it starts");
    steady.joined().await.expect("it connects");
    let mut pace = interval(Duration::from_millis(2));
    for n in 0u64.. {
        pace.tick().await;
        let (back,): (u64,) = steady.call(&echo, ("echo", n)).await.expect("it answers");
        assert_eq!(back, n);
    }
}

/// How many file descriptors this process has.
fn files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// How much `y` grows with `x`, by least squares.
fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<_> = points.collect();
    let count = points.len() as f64;
    let (sum_x, sum_y) = points
        .iter()
        .fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
    let (x, y) = (sum_x / count, sum_y / count);
    let over: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let under: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    over / under
}
