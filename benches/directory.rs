//! The directory at size: what a million entries cost a global node, how long it takes to answer for a large family, and
//! how long fifty processes need to find each other.

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aemp::LocalNode;
use common::{memory, stranger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ENTRIES: usize = 1_000_000;
const A_MESSAGE: usize = 2_000;
const FAMILY: usize = 10_000;
const ROUNDS: usize = 21;
const PROCESSES: usize = 50;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if let Some(seed) = std::env::var_os("AEMP_BENCH_SEED") {
        return child(seed.to_str().expect("an address")).await;
    }
    hold().await;
    answer().await;
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(form().await);
    }
    times.sort();
    println!(
        "{PROCESSES} processes know each other after {:.2?} (goal: at most 5 s; median of 3 rounds)",
        times[1]
    );
}

/// The key of an entry: a port ID, as in groups.
fn key(n: usize) -> String {
    format!("worker{:04}#port{:06}", n / 1000, n)
}

/// Lets a slave hold a million entries, ten families of them.
async fn hold() {
    let node = aemp::node()
        .id("global")
        .secret(stranger::SECRET)
        .bind("127.0.0.1:0");
    let node = node.configure(|config| {
        config.cleartext = true;
        // All of it comes from one slave.
        config.directory.keys = 2 * ENTRIES;
        config.directory.bytes = 1 << 30;
    });
    let node = node.start().await.expect("it starts");
    let mut slave = stranger::join(&node, "slave").await;
    slave
        .write_all(br#"["","g_slave",{}]"#)
        .await
        .expect("it is connected");
    let before = memory::resident();
    let (mut data, start) = (0, Instant::now());
    for first in (0..ENTRIES).step_by(A_MESSAGE) {
        let pairs: Vec<String> = (first..first + A_MESSAGE)
            .map(|n| {
                data += key(n).len() + 8;
                format!(r#""{}":"v{n:07}""#, key(n))
            })
            .collect();
        let family = 10 * first / ENTRIES;
        let update = format!(
            r#"["","g_upd","family{family}",{{{}}},[]]"#,
            pairs.join(",")
        );
        slave
            .write_all(update.as_bytes())
            .await
            .expect("it is connected");
    }
    let keys = node.directory();
    slave
        .write_all(br#"["","g_db_keys","nothing","done"]"#)
        .await
        .expect("it is connected");
    read_until(&mut slave, b"done").await;
    let took = start.elapsed();
    let all = keys.keys("family9").await.expect("it is global");
    assert_eq!(all.len(), ENTRIES / 10);
    drop(all);
    match before.zip(memory::resident()) {
        Some((before, after)) => println!(
            "{ENTRIES} entries taken in {took:.2?}: {:.0} bytes each besides {:.0} of data (goal: at most 300)",
            (after.saturating_sub(before) as f64 - data as f64) / ENTRIES as f64,
            data as f64 / ENTRIES as f64,
        ),
        None => println!("memory: this system does not say (/proc/self/statm)"),
    }
    node.shutdown().await;
}

/// Reads until the answer to the query `id` is whole.
async fn read_until(stream: &mut TcpStream, id: &[u8]) -> usize {
    let mut read = Vec::new();
    loop {
        let n = stream.read_buf(&mut read).await.expect("it is connected");
        assert!(n > 0, "the node closed");
        let asked = read.windows(id.len()).any(|part| part == id);
        if asked && read.ends_with(b"]") {
            return read.len();
        }
    }
}

/// Asks for a family of ten thousand keys, as a slave and from the other end of a raw connection.
async fn answer() {
    let node = stranger::node("global").await;
    let seed = node.addresses()[0].to_string();
    for n in 0..FAMILY {
        node.directory()
            .set("large", key(n), n)
            .expect("it can be held");
    }
    let asker = aemp::node().id("asker").secret(stranger::SECRET).seed(seed);
    let asker = asker.start().await.expect("it starts");
    let mut raw = stranger::join(&node, "raw").await;
    raw.write_all(br#"["","g_slave",{}]"#)
        .await
        .expect("it is connected");
    let (mut typed, mut bare) = (Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        let start = Instant::now();
        let all = asker
            .directory()
            .family("large")
            .await
            .expect("it is answered");
        typed.push(start.elapsed());
        assert_eq!(all.len(), FAMILY);
        let start = Instant::now();
        let id = format!("id{n:04}");
        let request = format!(r#"["","g_db_family","large","{id}"]"#);
        raw.write_all(request.as_bytes())
            .await
            .expect("it is connected");
        assert!(read_until(&mut raw, id.as_bytes()).await > 20 * FAMILY);
        bare.push(start.elapsed());
    }
    typed.sort();
    bare.sort();
    println!(
        "family of {FAMILY} keys: {:.1?} as a map at the asker over CBOR, {:.1?} as bytes of JSON (goal: under 20 ms; \
         medians of {ROUNDS})",
        typed[ROUNDS / 2],
        bare[ROUNDS / 2]
    );
    asker.shutdown().await;
    node.shutdown().await;
}

/// Starts processes that know a seed's address, and waits until each knows all.
async fn form() -> Duration {
    let seed = stranger::node("seed").await;
    let members = seed.group("all").live().await.expect("it is alone");
    let mut inbox = seed.inbox();
    let start = Instant::now();
    let _children: Vec<Ended> = (0..PROCESSES)
        .map(|_| start_child(&seed, inbox.id()))
        .collect();
    for _ in 0..PROCESSES {
        // Each says so when it sees all the others.
        let said = tokio::time::timeout(Duration::from_secs(60), inbox.recv()).await;
        said.expect("all find each other in a minute")
            .expect("the node runs");
    }
    let took = start.elapsed();
    assert_eq!(members.len(), PROCESSES);
    took
}

/// A process that ends with its handle.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_child(seed: &LocalNode, tell: &aemp::PortId) -> Ended {
    let program = std::env::current_exe().expect("it has a path");
    let child = Command::new(program)
        .env("AEMP_BENCH_SEED", seed.addresses()[0].to_string())
        .env("AEMP_BENCH_TELL", tell.to_string())
        .stdin(Stdio::null())
        .spawn();
    Ended(child.expect("it starts"))
}

async fn child(seed: &str) {
    let tell = std::env::var("AEMP_BENCH_TELL").expect("it is given");
    let node = aemp::node()
        .secret(stranger::SECRET)
        .bind("127.0.0.1:0")
        .seed(seed);
    let node = node.start().await.expect("it starts");
    let port = node.port(|_: &mut aemp::Context<'_>, _: aemp::Message| ());
    let _member = node.group("all").join(&port).expect("it is a group");
    let mut members = node.group("all").live().await.expect("the seed answers");
    while members.len() < PROCESSES {
        members.changed().await.expect("it runs");
    }
    node.send(&tell, ("all",));
    std::future::pending().await
}
