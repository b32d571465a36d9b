//! A peer that is a plain socket, and does what the bench has it do.

use aemp::LocalNode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const SECRET: &str = "correct horse battery staple";

/// A node that lets such peers in.
pub(crate) async fn node(id: &str) -> LocalNode {
    let node = aemp::node()
        .id(id)
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| config.cleartext = true);
    node.start().await.expect("it starts")
}

/// Joins `node` as node `id`, which speaks JSON.
pub(crate) async fn join(node: &LocalNode, id: &str) -> TcpStream {
    let at = node.addresses()[0].to_string();
    let mut peer = TcpStream::connect(at).await.expect("it listens");
    let secret: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lines = format!("aemp;1;{id};hmac_sha3_512;json\nnonce\ncleartext;{secret};json\n");
    peer.write_all(lines.as_bytes()).await.expect("it takes it");
    let mut lines = 0;
    while lines < 3 {
        lines += usize::from(peer.read_u8().await.expect("it answers") == b'\n');
    }
    while !node.connections().iter().any(|link| link.peer() == id) {
        tokio::task::yield_now().await;
    }
    peer
}
