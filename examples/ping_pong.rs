//! The first program: two nodes, a port that counts, and a call to it.

use aemp::{PortId, routes};

#[tokio::main]
async fn main() -> aemp::Result<()> {
    let node = |id: &str| aemp::node().id(id).secret("correct horse battery staple");

    let server = node("server").bind("127.0.0.1:4040").start().await?;
    let mut total = 0;
    let add = move |cx: &mut aemp::Context<'_>, (n, reply): (i64, PortId)| {
        total += n;
        cx.send(&reply, ("total", total));
    };
    let counter = server.port_of(routes().on("add", add));

    let client = node("client").seed("127.0.0.1:4040").start().await?;
    let (_, total): (String, i64) = client.call(&counter, ("add", 41)).await?;
    println!("total {total}");
    Ok(())
}
