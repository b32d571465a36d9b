//! The secured stream: its ends, and what of it is not confirmed.
#![allow(clippy::unwrap_used)]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use aemp_core::handshake::TlsRole;
use aemp_core::transport::{Secure, SecureConfig, Stream};
use aemp_tls::{Tls, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// One end of a connection in memory that tells how much was written and not read at the other end.
struct Below {
    stream: DuplexStream,
    /// Bytes written here and bytes read here.
    written: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    /// Bytes read at the other end.
    confirmed: Arc<AtomicU64>,
}

fn pair(room: usize) -> (Below, Below) {
    let (one, other) = tokio::io::duplex(room);
    let (one_read, other_read) = (Arc::default(), Arc::default());
    let end = |stream, read: &Arc<AtomicU64>, confirmed: &Arc<AtomicU64>| Below {
        stream,
        written: Arc::default(),
        read: read.clone(),
        confirmed: confirmed.clone(),
    };
    (
        end(one, &one_read, &other_read),
        end(other, &other_read, &one_read),
    )
}

impl Stream for Below {
    fn unconfirmed(&self) -> Option<u64> {
        Some(self.written.load(Ordering::Relaxed) - self.confirmed.load(Ordering::Relaxed))
    }
}

impl AsyncRead for Below {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let bytes = (buffer.filled().len() - before) as u64;
        self.read.fetch_add(bytes, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Below {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(bytes)) = written {
            self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Both ends of a secured connection, with so much room below, and a handle that cuts the second.
async fn secured(room: usize, version: Version) -> (Box<dyn Stream>, Box<dyn Stream>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    let tls = Tls::from_pem(&(key.serialize_pem() + &certificate.pem())).unwrap();
    let tls = tls.only(version);
    let (client, server) = pair(room);
    let options = SecureConfig::new;
    let (client, server) = tokio::join!(
        tls.secure(Box::new(client), options(TlsRole::Client)),
        tls.secure(Box::new(server), options(TlsRole::Server)),
    );
    (client.unwrap().stream, server.unwrap().stream)
}

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

#[tokio::test]
async fn each_direction_is_closed_by_itself() {
    for version in VERSIONS {
        let (mut client, mut server) = secured(1 << 20, version).await;
        client.write_all(b"the last words").await.unwrap();
        client.shutdown().await.unwrap();
        let mut words = Vec::new();
        server.read_to_end(&mut words).await.unwrap();
        assert_eq!(words, b"the last words");
        // The end is still there when it is read again, and the other direction is open.
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"an answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"an answer");
    }
}

#[tokio::test]
async fn an_end_that_was_not_declared_is_an_error_behind_what_came_before() {
    for version in VERSIONS {
        let (mut client, mut server) = secured(1 << 20, version).await;
        server.write_all(b"and then").await.unwrap();
        server.flush().await.unwrap();
        drop(server);
        let mut words = Vec::new();
        let error = client.read_to_end(&mut words).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(words, b"and then");
    }
}

#[tokio::test]
async fn what_rustls_holds_is_not_confirmed_and_all_is_when_it_was_read() {
    const ROOM: usize = 32 << 10;
    for version in VERSIONS {
        let (mut client, mut server) = secured(ROOM, version).await;
        client.write_all(b"hello").await.unwrap();
        client.flush().await.unwrap();
        assert!(client.unconfirmed().unwrap() >= 5);
        server.read_exact(&mut [0; 5]).await.unwrap();
        assert_eq!(client.unconfirmed(), Some(0));
        // More than the room below, which nobody reads.
        let sent = vec![7; ROOM + (40 << 10)];
        let mut accepted = 0;
        while let Ok(written) = tokio::time::timeout(
            std::time::Duration::from_millis(20),
            client.write(&sent[accepted..]),
        )
        .await
        {
            accepted += written.unwrap();
            if accepted == sent.len() {
                break;
            }
        }
        let unconfirmed = client.unconfirmed().unwrap() as usize;
        assert!(unconfirmed >= accepted, "{unconfirmed} of {accepted}");
        assert!(accepted > ROOM);
        let mut read = vec![0; accepted];
        let (flushed, received) = tokio::join!(client.flush(), server.read_exact(&mut read));
        flushed.unwrap();
        received.unwrap();
        assert_eq!(client.unconfirmed(), Some(0));
    }
}
