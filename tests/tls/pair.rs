//! Two nodes with TLS.

use std::time::Duration;

use aemp::error::SeedError;
use aemp::{LocalNode, NodeBuilder, PortId, Value};

use crate::nodes::soon;
use crate::process::echo;

/// Which end of TLS the dialer is: the one with the lower nonce line is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialer {
    Client,
    Server,
}

pub(crate) const ROLES: [Dialer; 2] = [Dialer::Client, Dialer::Server];

impl Dialer {
    /// Gives the two ends their nonces.
    pub(crate) fn nonces(
        self,
        dialer: NodeBuilder,
        acceptor: NodeBuilder,
    ) -> (NodeBuilder, NodeBuilder) {
        let (dials, accepts) = match self {
            Self::Client => (1, 2),
            Self::Server => (2, 1),
        };
        let with = |builder: NodeBuilder, byte| builder.random(move |bytes| bytes.fill(byte));
        (with(dialer, dials), with(acceptor, accepts))
    }
}

/// Node `id` with this PEM and no secret.
pub(crate) fn node(id: &str, pem: &str) -> NodeBuilder {
    aemp::node().id(id).certificate(pem)
}

/// Starts `acceptor` with a port `echo`, and gives its address.
pub(crate) async fn listen(acceptor: NodeBuilder) -> (LocalNode, String) {
    let acceptor = acceptor.bind("127.0.0.1:0").on_start(|node| {
        node.port_of_named("echo", echo()).unwrap();
    });
    let acceptor = acceptor.start().await.unwrap();
    let address = acceptor.addresses()[0].to_string();
    (acceptor, address)
}

/// Starts both; the second dials the first.
pub(crate) async fn start(
    acceptor: NodeBuilder,
    dialer: NodeBuilder,
) -> (LocalNode, LocalNode, Result<(), SeedError>) {
    let (acceptor, address) = listen(acceptor).await;
    let dialer = dialer.seed(address).start().await.unwrap();
    let joined = soon(dialer.joined()).await;
    (acceptor, dialer, joined)
}

/// Asks the port `echo` of node `to` for `what`.
pub(crate) async fn ask(node: &LocalNode, to: &str, what: impl Into<Value>) -> Value {
    let what = what.into();
    let to: PortId = format!("{to}#echo").parse().unwrap();
    let (answer,): (Value,) = soon(node.call(&to, (String::from("echo"), what)))
        .await
        .unwrap();
    answer
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
