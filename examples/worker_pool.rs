//! A pool of workers in processes of their own, which come and go, and a client that always finds the living ones.
//!
//! Without arguments it shows all of it: it is the seed and the client, starts workers (`ann` speaks JSON only, `bob` CBOR
//! only), kills one in the middle of its work, starts another, and counts who did how much. In several terminals:
//!
//! ```sh
//! cargo run --example worker_pool seed 127.0.0.1:4070
//! cargo run --example worker_pool worker 127.0.0.1:4070 ann json
//! cargo run --example worker_pool worker 127.0.0.1:4070 bob cbor
//! cargo run --example worker_pool client 127.0.0.1:4070
//! ```

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use aemp::directory::Members;
use aemp::{LocalNode, PortId, routes};
use tokio::process::{Child, Command};

const SECRET: &str = "correct horse battery staple";
const GROUP: &str = "workers";
const LIMIT: Duration = Duration::from_secs(10);

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => everything().await,
        ["seed", address] => seed(address).await,
        ["worker", seed, name, codec] => worker(seed, name, codec).await,
        ["client", seed] => client(seed).await,
        _ => Err("usage: worker_pool [seed ADDRESS | worker SEED NAME CODEC | client SEED]".into()),
    }
}

/// A node that others find each other through. It becomes a global node as soon as one of them connects.
async fn seed(address: &str) -> Outcome {
    let seed = aemp::node()
        .id("seed")
        .secret(SECRET)
        .bind(address)
        .start()
        .await?;
    println!("seed: listening on {}", seed.addresses()[0]);
    std::future::pending().await
}

/// A process with one worker. It knows the seed's address and nothing else, and listens on any free port.
async fn worker(seed: &str, name: &str, codec: &str) -> Outcome {
    let node = aemp::node()
        .id(name)
        .secret(SECRET)
        .codecs([codec])
        .bind("127.0.0.1:0")
        .seed(seed)
        .start()
        .await?;
    let own = name.to_owned();
    let work = node.port_of(routes().on("square", move |cx, (n, reply): (u64, PortId)| {
        cx.send(&reply, (own.as_str(), n * n));
    }));
    let _member = node.group(GROUP).join(&work)?;
    node.joined().await?;
    println!("{name}: at work, speaking {codec}");
    std::future::pending().await
}

/// Gives a job to whoever is there once a second.
async fn client(seed: &str) -> Outcome {
    let node = aemp::node()
        .id("client")
        .secret(SECRET)
        .seed(seed)
        .start()
        .await?;
    let mut workers = node.group(GROUP).live().await?;
    for n in 0.. {
        while workers.is_empty() {
            println!("client: nobody is at work");
            workers.changed().await?;
        }
        let (name, square) = job(&workers, n).await?;
        println!(
            "client: {name} of {} says that {n} squared is {square}",
            workers.len()
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Has one job done, by the worker with the least to do. If that is lost meanwhile, by another.
async fn job(workers: &Members, n: u64) -> Outcome<(String, u64)> {
    loop {
        let worker = workers.least_loaded();
        let asked = worker.port().cloned();
        match worker.call(("square", n))?.within(LIMIT).await {
            Ok(answer) => return Ok(answer),
            Err(error) => println!("client: job {n} again, {asked:?} is lost: {error}"),
        }
    }
}

async fn everything() -> Outcome {
    let seed = aemp::node()
        .id("seed")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .start()
        .await?;
    let address = seed.addresses()[0].to_string();
    let client = aemp::node()
        .id("client")
        .secret(SECRET)
        .seed(&address)
        .start()
        .await?;
    let mut workers = client.group(GROUP).live().await?;
    println!("client: {} workers", workers.len());

    let mut ann = start(&address, "ann", "json")?;
    let _bob = start(&address, "bob", "cbor")?;
    wait_for(&mut workers, 2).await?;
    let mut done = BTreeMap::new();
    jobs(&workers, 0..100, &mut done).await?;
    links(&client);

    println!("client: ann is killed while she works");
    let half = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        ann.kill().await
    };
    let (worked, killed) = tokio::join!(jobs(&workers, 100..400, &mut done), half);
    worked?;
    killed?;
    wait_for(&mut workers, 1).await?;

    let _eve = start(&address, "eve", "cbor")?;
    wait_for(&mut workers, 2).await?;
    jobs(&workers, 400..500, &mut done).await?;
    let total: u64 = done.values().sum();
    println!("client: {total} of 500 jobs done: {done:?}");
    for name in ["ann", "bob", "eve"] {
        assert!(done.contains_key(name), "{name} did nothing");
    }
    Ok(())
}

/// Has many jobs done, a few at a time, and counts who did them.
async fn jobs(
    workers: &Members,
    numbers: std::ops::Range<u64>,
    done: &mut BTreeMap<String, u64>,
) -> Outcome {
    let numbers: Vec<u64> = numbers.collect();
    for numbers in numbers.chunks(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| job(workers, numbers[at]));
        let (a, b, c, d) = tokio::try_join!(a, b, c, d)?;
        for (n, (name, square)) in numbers.iter().zip([a, b, c, d]) {
            assert_eq!(square, n * n);
            *done.entry(name).or_default() += 1;
        }
    }
    Ok(())
}

async fn wait_for(workers: &mut Members, count: usize) -> Outcome {
    while workers.len() != count {
        tokio::time::timeout(LIMIT, workers.changed()).await??;
    }
    println!("client: {:?} are at work", workers.ports());
    Ok(())
}

fn links(node: &LocalNode) {
    for link in node.connections() {
        println!(
            "client: sends {} to {}, which sends {}",
            link.send_codec(),
            link.peer(),
            link.recv_codec()
        );
    }
}

/// Starts this program again as a worker.
fn start(seed: &str, name: &str, codec: &str) -> Outcome<Child> {
    let child = Command::new(std::env::current_exe()?)
        .args(["worker", seed, name, codec])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}
