//! `Encrypted`: the stream of a secured connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use aemp_core::transport::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::alert::explained;

/// Bytes that rustls holds at most before it accepts no more.
pub(crate) const BUFFERED: usize = 64 << 10;

pub(crate) struct Encrypted {
    inner: TlsStream<Box<dyn Stream>>,
    /// Bytes that rustls has accepted.
    accepted: u64,
    /// The same when rustls had last passed on everything.
    passed_on: u64,
}

impl Encrypted {
    pub(crate) fn new(inner: TlsStream<Box<dyn Stream>>) -> Self {
        Self {
            inner,
            accepted: 0,
            passed_on: 0,
        }
    }

    fn below(&self) -> &dyn Stream {
        &**self.inner.get_ref().0
    }

    fn wants_write(&self) -> bool {
        match &self.inner {
            TlsStream::Client(client) => client.get_ref().1.wants_write(),
            TlsStream::Server(server) => server.get_ref().1.wants_write(),
        }
    }

    fn note_passed_on(&mut self) {
        if !self.wants_write() {
            self.passed_on = self.accepted;
        }
    }
}

impl Stream for Encrypted {
    fn local(&self) -> Option<SocketAddr> {
        self.below().local()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.below().peer()
    }

    /// The encrypted bytes below, a little more than they were before, and what rustls holds, of which only an upper bound
    /// is known. So it is never less than the truth, 0 if and only if all is confirmed, and falls behind what was written
    /// as far as the truth does, but for a constant.
    fn unconfirmed(&self) -> Option<u64> {
        let below = self.below().unconfirmed()?;
        let held = (self.accepted - self.passed_on).min(BUFFERED as u64);
        Some(below + if self.wants_write() { held } else { 0 })
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        read.map_err(explained)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(bytes)) = written {
            self.accepted += bytes as u64;
        }
        self.note_passed_on();
        written.map_err(explained)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.note_passed_on();
        flushed.map_err(explained)
    }

    /// Sends `close_notify` after the written bytes, and ends the direction below.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.note_passed_on();
        closed.map_err(explained)
    }
}
