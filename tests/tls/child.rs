//! What runs in another process.

use crate::pair::node;
use crate::process::echo;

/// What a child runs, as node `id`.
pub(crate) async fn run(id: String) {
    let variable = |name| std::env::var(name).unwrap();
    let node = node(&id, &variable("AEMP_CERT")).seed(variable("AEMP_SEED"));
    let node = node.on_start(|node| {
        node.port_of_named("echo", echo()).unwrap();
    });
    let node = node.start().await.unwrap();
    node.joined().await.unwrap();
    println!("@ready");
    std::future::pending::<()>().await;
}
