//! What runs in the other processes.

use crate::nodes::SECRET;
use crate::process::{Child, echo};

/// The lists of codecs that a node can have.
pub(crate) const LISTS: [&[&str]; 4] = [&["json"], &["cbor"], &["json", "cbor"], &["cbor", "json"]];

/// A list as errors show it.
pub(crate) fn names(codecs: &[&str]) -> String {
    format!("{:?}", codecs.join(","))
}

/// Starts node `id` with `codecs` in a process of its own.
pub(crate) fn start(id: &str, codecs: &[&str], variables: &[(&str, String)]) -> Child {
    let variables = variables.iter().cloned();
    Child::start(id, variables.chain([("AEMP_CODECS", codecs.join(","))]))
}

/// What a child runs, as node `id`.
pub(crate) async fn run(id: String) {
    let variable = |name: &str| std::env::var(name).ok();
    let codecs = variable("AEMP_CODECS").unwrap();
    let mut node = aemp::node().id(id).secret(SECRET).bind("127.0.0.1:0");
    node = node.codecs(codecs.split(','));
    if let Some(seed) = variable("AEMP_SEED") {
        node = node.seed(seed);
    }
    if let Some((id, address)) = variable("AEMP_PEER")
        .as_deref()
        .and_then(|peer| peer.split_once('='))
    {
        node = node.peer(id, address);
    }
    let node = node.on_start(|node| {
        node.port_of_named("echo", echo()).unwrap();
    });
    let node = node.start().await.unwrap();
    match node.joined().await {
        Ok(()) => println!("@ready {}", node.addresses()[0]),
        Err(error) => println!("@failed {}", aemp::error::Report(&error)),
    }
    std::future::pending::<()>().await;
}
