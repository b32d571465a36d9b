//! `TcpStream`: a connection, with its addresses.

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use aemp_core::transport::Stream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::settings::Settings;

pub(crate) struct TcpStream {
    inner: tokio::net::TcpStream,
    // Stored at the beginning: a connection that was reset has no peer address.
    local: SocketAddr,
    peer: SocketAddr,
    /// Bytes that the system has accepted.
    written: u64,
    /// The error of a write. The system reports it once, and then ends reading as if the peer had closed.
    failed: Option<i32>,
}

impl TcpStream {
    /// A connection to `peer`. Fails if it is already closed.
    pub(crate) fn new(
        inner: tokio::net::TcpStream,
        peer: SocketAddr,
        settings: Settings,
    ) -> io::Result<Self> {
        settings.apply(&SockRef::from(&inner))?;
        let local = inner.local_addr()?;
        Ok(Self {
            inner,
            local,
            peer,
            written: 0,
            failed: None,
        })
    }

    fn record_write(&mut self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = done {
            self.written += bytes as u64;
        }
        self.record_error(done)
    }

    fn record_error<T>(&mut self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done
            && error.kind() != ErrorKind::BrokenPipe
        {
            // After a broken pipe there may still be bytes to read, and then an end of file.
            self.failed = self.failed.or_else(|| error.raw_os_error());
        }
        done
    }
}

impl Stream for TcpStream {
    fn local(&self) -> Option<SocketAddr> {
        Some(self.local)
    }

    fn peer(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }

    #[cfg(target_os = "linux")]
    fn unconfirmed(&self) -> Option<u64> {
        let acknowledged = crate::acknowledged::acknowledged(&self.inner)?;
        // The system counts the SYN of a dialled connection as one byte.
        Some(self.written.saturating_sub(acknowledged))
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        match (self.failed, &read) {
            (Some(error), Poll::Ready(Ok(()))) if room > 0 && buffer.filled().len() == before => {
                Poll::Ready(Err(io::Error::from_raw_os_error(error)))
            }
            _ => read,
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.record_write(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.record_write(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_flush(cx);
        self.record_error(done)
    }

    /// Sends FIN after the written bytes. Reading continues.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.record_error(done)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::keepalive::KeepaliveOptions;

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
            let keepalive = KeepaliveOptions::new(Duration::from_secs(secs));
            let (dialled, accepted) = pair(Settings { nodelay, keepalive }).await;
            for stream in [dialled, accepted] {
                let socket = SockRef::from(&stream.inner);
                assert_eq!(socket.tcp_nodelay().unwrap(), nodelay);
                assert!(socket.keepalive().unwrap());
                #[cfg(target_os = "linux")]
                {
                    let (interval, probes, user) = match secs {
                        30 => (3, 8, 26_190),
                        _ => (1, 7, 7_210),
                    };
                    let interval = Duration::from_secs(interval);
                    assert_eq!(socket.tcp_keepalive_time().unwrap(), interval);
                    assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
                    assert_eq!(socket.tcp_keepalive_retries().unwrap(), probes);
                    let user = Some(Duration::from_millis(user));
                    assert_eq!(socket.tcp_user_timeout().unwrap(), user);
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_the_other_system_has_room_for_is_confirmed_and_the_rest_is_not() {
        let keepalive = KeepaliveOptions::new(Duration::from_secs(30));
        let settings = Settings {
            nodelay: true,
            keepalive,
        };
        let (mut dialled, mut accepted) = pair(settings).await;
        for stream in [&mut dialled, &mut accepted] {
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            // The peer does not read.
            stream.write_all(b"hello").await.unwrap();
            while stream.unconfirmed() != Some(0) {
                assert!(std::time::Instant::now() < deadline);
                tokio::task::yield_now().await;
            }
            while let Ok(written) = stream.inner.try_write(&[0; 64 << 10]) {
                stream.written += written as u64;
            }
            assert!(stream.unconfirmed().is_some_and(|bytes| bytes > 0));
        }
    }

    #[tokio::test]
    async fn a_reset_that_a_write_has_met_is_no_end_of_file_for_reading() {
        let keepalive = KeepaliveOptions::new(Duration::from_secs(30));
        let (mut dialled, accepted) = pair(Settings {
            nodelay: true,
            keepalive,
        })
        .await;
        SockRef::from(&accepted.inner)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(accepted);
        let write = async {
            loop {
                if let Err(error) = dialled.write_all(b"x").await {
                    return error.kind();
                }
                tokio::task::yield_now().await;
            }
        };
        let write = tokio::time::timeout(Duration::from_secs(20), write);
        assert_eq!(write.await.unwrap(), ErrorKind::ConnectionReset);
        for _ in 0..2 {
            let error = dialled.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_longest_and_shortest_life_can_be_set() {
        for time in [Duration::ZERO, Duration::MAX] {
            let keepalive = KeepaliveOptions::new(time);
            pair(Settings {
                nodelay: true,
                keepalive,
            })
            .await;
        }
    }
}
