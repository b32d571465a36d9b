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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::life::Life;

    async fn pair(settings: Settings) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let dialled = crate::connect::connect(&[at], settings).await.unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        (dialled, TcpStream::new(accepted, peer, settings).unwrap())
    }

    #[tokio::test]
    async fn options_are_really_set_at_both_ends() {
        for (nodelay, secs) in [(true, 30), (false, 8)] {
            let life = Life::new(Duration::from_secs(secs));
            let (dialled, accepted) = pair(Settings { nodelay, life }).await;
            for stream in [dialled, accepted] {
                let socket = SockRef::from(&stream.inner);
                assert_eq!(socket.tcp_nodelay().unwrap(), nodelay);
                assert!(socket.keepalive().unwrap());
                #[cfg(target_os = "linux")]
                {
                    let (every, probes, user) = match secs {
                        30 => (3, 8, 26_190),
                        _ => (1, 7, 7_210),
                    };
                    let every = Duration::from_secs(every);
                    assert_eq!(socket.tcp_keepalive_time().unwrap(), every);
                    assert_eq!(socket.tcp_keepalive_interval().unwrap(), every);
                    assert_eq!(socket.tcp_keepalive_retries().unwrap(), probes);
                    let user = Some(Duration::from_millis(user));
                    assert_eq!(socket.tcp_user_timeout().unwrap(), user);
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_longest_and_shortest_life_can_be_set() {
        for time in [Duration::ZERO, Duration::MAX] {
            let life = Life::new(time);
            pair(Settings {
                nodelay: true,
                life,
            })
            .await;
        }
    }
}
