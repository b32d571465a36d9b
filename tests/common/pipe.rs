//! Connections in memory, as tests give them to nodes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use aemp::Address;
use aemp::transport::{Listener, Stream};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// A listener at an address to which a test or a transport hands connections.
pub(crate) struct Accepting(pub(crate) Address, pub(crate) mpsc::UnboundedReceiver<Pipe>);

#[async_trait]
impl Listener for Accepting {
    fn addresses(&self) -> Vec<Address> {
        vec![self.0.clone()]
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        match self.1.recv().await {
            Some(stream) => Ok(Box::new(stream)),
            None => std::future::pending().await,
        }
    }
}

/// One end of a connection in memory, with the socket addresses that it passes for.
pub(crate) struct Pipe {
    pub(crate) stream: DuplexStream,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) peer: Option<SocketAddr>,
}

impl Stream for Pipe {
    fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer
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
