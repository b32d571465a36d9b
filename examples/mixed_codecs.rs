//! Nodes in one process over real TCP: one speaks JSON only, one CBOR only, one both. Shows which codec each
//! direction of each connection got and who chose it, rich values on CBOR, a value that JSON cannot carry, a pair
//! without a common codec, and a monitor that fires when a node is dropped.

use std::time::Duration;

use aemp::error::Report;
use aemp::{LocalNode, Map, PortId, Value, routes};
use bytes::Bytes;

const SECRET: &str = "correct horse battery staple";
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("three nodes start on loopback; legacy and binary join through both");
    let both = start("both", &["cbor", "json"], None).await?;
    let mut events = both.events();
    let legacy = start("legacy", &["json"], Some(&both)).await?;
    let binary = start("binary", &["cbor"], Some(&both)).await?;
    legacy.joined().await?;
    binary.joined().await?;
    for _ in [&legacy, &binary] {
        // The other end of each connection is up a moment later.
        tokio::time::timeout(LIMIT, events.recv()).await?;
    }

    println!(
        "\nthe receiver's list has the order, and the sender takes the first that it can speak:"
    );
    for node in [&both, &legacy, &binary] {
        for link in node.connections() {
            println!(
                "  {} -> {}: {}, chosen by {}",
                node.id(),
                link.peer(),
                link.send_codec(),
                node.id()
            );
        }
    }

    println!("\nan echo on each node, called by the others:");
    let [at_both, at_legacy, at_binary] = [&both, &legacy, &binary].map(echo);
    for (from, to) in [
        (&both, &at_legacy),
        (&legacy, &at_both),
        (&both, &at_binary),
        (&binary, &at_both),
    ] {
        let (what,): (Value,) = from
            .call(to, ("echo", ("text", u64::MAX, 0.1)))
            .within(LIMIT)
            .await?;
        println!("  {} calls {}: {what}", from.id(), to.node());
    }

    println!("\nrich values pass where CBOR is spoken:");
    let date = Value::Tag(0, Box::new(Value::from("2026-11-25T00:00:00Z")));
    let bytes = Value::from(Bytes::from_static(b"\0\xff"));
    let rich = vec![bytes.clone(), Value::from(f64::INFINITY), date];
    let (what,): (Value,) = both.call(&at_binary, ("echo", rich)).within(LIMIT).await?;
    println!("  both calls binary: {what}");

    println!("\nwhat JSON cannot carry is refused, with the path to it:");
    let order = (1, Map::from_iter([("payload", bytes)]));
    let refused = both.try_send(&at_legacy, ("store", order)).err();
    let refused = refused.ok_or("bytes went through JSON")?;
    println!("  error: {}", Report(&refused));

    println!("\nlegacy and a node that speaks CBOR only have no codec in common:");
    let apart = start("apart", &["cbor"], Some(&legacy)).await?;
    let refused = apart.joined().await.err();
    let refused = refused.ok_or("joined without a common codec")?;
    println!("  error: {}", Report(&refused));

    println!("\na monitor fires when a node is dropped:");
    let gone = both.gone(&at_legacy);
    drop(legacy);
    println!(
        "  both hears of {at_legacy}: {}",
        tokio::time::timeout(LIMIT, gone).await?
    );
    Ok(())
}

async fn start(id: &str, codecs: &[&str], seed: Option<&LocalNode>) -> aemp::Result<LocalNode> {
    let mut node = aemp::node()
        .id(id)
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .codecs(codecs.iter().copied());
    for address in seed.iter().flat_map(|seed| seed.addresses()) {
        node = node.seed(address.to_string());
    }
    Ok(node.start().await?)
}

/// A port that sends back whatever it is given.
fn echo(node: &LocalNode) -> PortId {
    node.port_of(routes().on("echo", |cx, (what, reply): (Value, PortId)| {
        cx.send(&reply, (what,))
    }))
}
