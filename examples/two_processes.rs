//! Two processes: this one starts itself again as a child that speaks JSON only, while it prefers CBOR itself.
//! The child joins and offers a function, which is run there as a port; then it is killed, and a monitor tells.

use std::process::Stdio;
use std::time::Duration;

use aemp::NodeEvent;
use aemp::{NodeId, PortId, routes};
use tokio::process::Command;

const SECRET: &str = "correct horse battery staple";
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        Some(seed) => child(&seed).await,
        None => parent().await,
    }
}

async fn parent() -> Result<(), Box<dyn std::error::Error>> {
    let node = aemp::node()
        .id("parent")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .codecs(["cbor", "json"])
        .start()
        .await?;
    let mut events = node.events();
    let mut child = Command::new(std::env::current_exe()?)
        .arg(node.addresses()[0].to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let up = tokio::time::timeout(LIMIT, events.recv()).await?;
    let Some(NodeEvent::Up(link)) = up else {
        return Err("the child did not come up".into());
    };
    println!(
        "parent: {} is up; I send {}, it sends {}",
        link.peer(),
        link.send_codec(),
        link.recv_codec()
    );

    let powers = node.spawn(&NodeId::new("child")?, "example::powers", (2,))?;
    for n in [3, 12] {
        let (answer,): (u64,) = node.call(&powers, ("of", n)).within(LIMIT).await?;
        println!("parent: the child says that the square of {n} is {answer}");
    }
    let gone = node.gone(&powers);
    child.kill().await?;
    println!(
        "parent: the child is killed, and the monitor says: {}",
        tokio::time::timeout(LIMIT, gone).await?
    );
    Ok(())
}

async fn child(seed: &str) -> Result<(), Box<dyn std::error::Error>> {
    let node = aemp::node()
        .id("child")
        .secret(SECRET)
        .codecs(["json"])
        .seed(seed);
    // Offered before the node connects, so that the first request finds it.
    let node = node.on_start(|node| {
        node.offer("example::powers", |_node, (exponent,): (u32,)| {
            routes().on("of", move |cx, (n, reply): (u64, PortId)| {
                cx.send(&reply, (n.pow(exponent),))
            })
        });
    });
    let node = node.start().await?;
    node.joined().await?;
    println!("child: joined through {seed}");
    // Lives until the parent kills it.
    std::future::pending().await
}
