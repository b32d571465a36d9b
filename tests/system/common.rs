//! What the whole-system tests share: waiting with a deadline, a network in memory, and peers that are scripted
//! byte by byte.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use aemp::{Address, LocalNode, NodeBuilder};
use async_trait::async_trait;
use tokio::sync::mpsc;

pub(crate) use crate::nodes::{SECRET, soon};
use crate::pipe::{Accepting, Pipe};

/// Waits until `condition` holds, at most 20 seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "waited 60 s until {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A builder of node `id` with every codec, on `network`.
pub(crate) fn node(id: &str, network: &Network) -> NodeBuilder {
    aemp::node()
        .id(id)
        .secret(SECRET)
        .transport(network.clone())
}

/// Waits until `node` has a link to `peer`.
pub(crate) async fn linked(node: &LocalNode, peer: &str) {
    let up = || node.connections().iter().any(|link| link.peer() == peer);
    until(&format!("{} is linked to {peer}", node.id()), up).await;
}

/// Waits until `node` has no link to `peer`.
pub(crate) async fn unlinked(node: &LocalNode, peer: &str) {
    let down = || node.connections().iter().all(|link| link.peer() != peer);
    until(&format!("{} is not linked to {peer}", node.id()), down).await;
}

/// A network in memory: the transport `mem`, whose addresses are any names. Clones are the same network.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<Listeners>>, Arc<AtomicU16>);

type Listeners = HashMap<String, mpsc::UnboundedSender<Pipe>>;

impl Network {
    /// Connects as a stranger would, to be scripted by the test.
    pub(crate) fn dial(&self, to: &str) -> io::Result<Pipe> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let at = SocketAddr::from(([127, 0, 0, 1], 4040));
        let from = SocketAddr::from(([127, 0, 0, 1], self.1.fetch_add(1, Ordering::Relaxed)));
        let listeners = self.0.lock().unwrap();
        let listener = listeners.get(to).ok_or(io::ErrorKind::ConnectionRefused)?;
        listener
            .send(Pipe {
                stream: theirs,
                local: Some(at),
                peer: Some(from),
            })
            .map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Pipe {
            stream: ours,
            local: Some(from),
            peer: Some(at),
        })
    }

    /// Listens as a scripted peer.
    pub(crate) fn accept_at(&self, at: &str) -> mpsc::UnboundedReceiver<Pipe> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.lock().unwrap().insert(at.into(), sender);
        receiver
    }
}

#[async_trait]
impl Transport for Network {
    fn scheme(&self) -> &str {
        "mem"
    }

    async fn listen(&self, at: &Address, _: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(Accepting(at.clone(), self.accept_at(at.target()))))
    }

    async fn connect(&self, to: &Address, _: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.dial(to.target())?))
    }
}
