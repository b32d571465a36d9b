//! The first program: two nodes, a port that counts, and a call to it.

use std::time::Duration;

use aemp::{PortId, routes};

const SECRET: &str = "correct horse battery staple";

#[tokio::main]
async fn main() -> aemp::Result<()> {
    let server = aemp::node()
        .id("server")
        .secret(SECRET)
        .bind("127.0.0.1:4040")
        .start()
        .await?;
    let mut total = 0;
    let counter = server.port(routes().on("add", move |cx, (n, reply): (i64, PortId)| {
        total += n;
        cx.send(&reply, ("total", total));
    }));

    let client = aemp::node()
        .id("client")
        .secret(SECRET)
        .seed("127.0.0.1:4040")
        .start()
        .await?;
    let (_, total): (String, i64) = client
        .call(&counter, ("add", 41))
        .within(Duration::from_secs(5))
        .await?;
    println!("total {total}");
    Ok(())
}
