//! The first program: two nodes, a port that counts, and a call to it.

use aemp::routes;

#[tokio::main]
async fn main() -> aemp::Result<()> {
    let node = |id: &str| aemp::node().id(id).secret("correct horse battery staple");

    let server = node("server").bind("127.0.0.1:4050").start().await?;
    let mut total = 0;
    let counter = server.port_of(routes().answer("add", move |_, (n,): (i64,)| {
        total += n;
        total
    }));

    let client = node("client").seed("127.0.0.1:4050").start().await?;
    let total: i64 = client.call(&counter, ("add", 41)).await?;
    println!("total {total}");
    Ok(())
}
