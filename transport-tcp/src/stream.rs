//! `TcpStream`: a connection, with its addresses.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use aemp_core::transport::Stream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tcp::Settings;

pub(crate) struct TcpStream {
    inner: tokio::net::TcpStream,
    // Asked for once: a connection that was reset has no peer any more.
    local: SocketAddr,
    peer: SocketAddr,
}

impl TcpStream {
    /// A connection to `peer`. Fails if it is gone already.
    pub(crate) fn new(
        inner: tokio::net::TcpStream,
        peer: SocketAddr,
        settings: Settings,
    ) -> io::Result<Self> {
        settings.apply(&SockRef::from(&inner))?;
        let local = inner.local_addr()?;
        Ok(Self { inner, local, peer })
    }
}

impl Stream for TcpStream {
    fn local(&self) -> Option<SocketAddr> {
        Some(self.local)
    }

    fn peer(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Sends FIN after what was written; reading goes on.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
