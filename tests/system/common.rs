//! What the whole-system tests share: waiting with a deadline, a network in memory, and peers that are scripted
//! byte by byte.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use aemp::transport::{Listener, Options, Stream, Transport};
use aemp::{Address, Builder, LocalNode};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

pub(crate) const SECRET: &str = "correct horse battery staple";

/// The result of `future`, which must come within 20 seconds.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future.into_future())
        .await
        .expect("within 20 s")
}

/// Waits until `condition` holds, at most 20 seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "waited 20 s until {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A builder of node `id` with every codec, on `network`.
pub(crate) fn node(id: &str, network: &Network) -> Builder {
    aemp::node()
        .id(id)
        .secret(SECRET)
        .transport(network.clone())
}

/// Waits until `node` has a link to `peer`.
pub(crate) async fn linked(node: &LocalNode, peer: &str) {
    let up = || node.links().iter().any(|link| link.peer() == peer);
    until(&format!("{} is linked to {peer}", node.id()), up).await;
}

/// Waits until `node` has no link to `peer`.
pub(crate) async fn unlinked(node: &LocalNode, peer: &str) {
    let down = || node.links().iter().all(|link| link.peer() != peer);
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
                local: at,
                peer: from,
            })
            .map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Pipe {
            stream: ours,
            local: from,
            peer: at,
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

    async fn listen(&self, at: &Address, _: &Options) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(Accepting(at.clone(), self.accept_at(at.rest()))))
    }

    async fn connect(&self, to: &Address, _: &Options) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.dial(to.rest())?))
    }
}

struct Accepting(Address, mpsc::UnboundedReceiver<Pipe>);

#[async_trait]
impl Listener for Accepting {
    fn addresses(&self) -> Vec<Address> {
        vec![self.0.clone()]
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        match self.1.recv().await {
            Some(pipe) => Ok(Box::new(pipe)),
            None => std::future::pending().await,
        }
    }
}

/// One end of a connection in memory, which passes for one on loopback.
pub(crate) struct Pipe {
    pub(crate) stream: DuplexStream,
    local: SocketAddr,
    peer: SocketAddr,
}

impl Stream for Pipe {
    fn local(&self) -> Option<SocketAddr> {
        Some(self.local)
    }

    fn peer(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
