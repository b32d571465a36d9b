//! `Secure`: encrypts a connection after the greetings (protocol.md section 2, TLS). The implementation by rustls is the
//! crate `aemp-tls`.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use aemp_proto::text::hex;
use async_trait::async_trait;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;
use crate::Text;
use crate::handshake::TlsRole;

/// Encrypts connections and verifies certificates: a stream in, a secured stream and the peer's certificate out. A node
/// gets one by [`NodeBuilder::tls`](crate::NodeBuilder::tls), and uses it for every connection whose peer offers TLS as well.
///
/// The node calls it once for each connection, after both greetings and before the auth lines. The stream yields first the
/// bytes that have arrived together with the peer's greeting.
///
/// * It must verify that the peer owns the key of the certificate that it presents, and that the certificate is trusted
///   and valid now. `tls_sha3_512` has no other proof.
/// * The node limits the time of this call, and drops the future then. The memory that a peer can use up during the call
///   must be bounded by the implementation.
/// * In the secured stream, an end of the peer's bytes that the peer has not declared (in TLS: no `close_notify`) is an
///   error of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), so that a cut connection is not taken for a closed
///   one. `shutdown` declares the end of this node's bytes; reading goes on.
/// * [`local`](Stream::local), [`peer`](Stream::peer) and [`unconfirmed`](Stream::unconfirmed) of the secured stream answer
///   for the connection below. Bytes that it has accepted and not passed on yet are unconfirmed.
///
/// An implementation for tests, which encrypts nothing:
///
/// ```
/// use std::io::{self, IoSlice};
/// use aemp::transport::{Secure, SecureConfig, Secured, Stream, TlsInfo};
/// use async_trait::async_trait;
///
/// struct Nothing;
///
/// #[async_trait]
/// impl Secure for Nothing {
///     async fn secure(&self, stream: Box<dyn Stream>, options: SecureConfig) -> io::Result<Secured> {
///         if options.certificate_required {
///             return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer presented no certificate"));
///         }
///         Ok(Secured::new(stream, TlsInfo::new("none", "none", None)))
///     }
/// }
/// ```
#[async_trait]
pub trait Secure: Send + Sync {
    /// Secures `stream`.
    ///
    /// # Errors
    /// If the peer is refused or refuses this node. The error should say why, and whose certificate is meant: nothing of
    /// it is sent to the peer. The kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) stands for a peer that closed
    /// without a word.
    async fn secure(&self, stream: Box<dyn Stream>, options: SecureConfig) -> io::Result<Secured>;
}

/// What a connection needs of [`Secure`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SecureConfig {
    /// Which end of TLS this node is.
    pub role: TlsRole,
    /// Whether a peer without a certificate is refused. False for accepted connections of a node that accepts anonymous
    /// peers (`tls_anon`). A certificate that the peer presents has to be valid in either case.
    pub certificate_required: bool,
}

impl SecureConfig {
    /// A configuration with this role, which require a certificate.
    pub fn new(role: TlsRole) -> Self {
        Self {
            role,
            certificate_required: true,
        }
    }
}

/// A secured connection.
#[non_exhaustive]
pub struct Secured {
    /// The stream that the node uses from now on.
    pub stream: Box<dyn Stream>,
    /// The properties of the connection.
    pub tls: TlsInfo,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Secured {
    /// The secured `stream`, with the properties of the connection.
    pub fn new(stream: Box<dyn Stream>, tls: TlsInfo) -> Self {
        Self { stream, tls }
    }
}

/// The properties of a secured connection, from [`ConnectionInfo::tls`](crate::ConnectionInfo::tls).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version of TLS, such as `TLS 1.3`.
    pub version: Text,
    /// The name of the cipher suite.
    pub cipher_suite: Text,
    /// The peer's certificate, verified; `None` if the peer has presented none.
    pub certificate: Option<Certificate>,
}

impl TlsInfo {
    /// A connection with this version of TLS and this cipher suite, whose peer has presented `certificate`.
    pub fn new(
        version: impl Into<Text>,
        cipher_suite: impl Into<Text>,
        certificate: Option<Certificate>,
    ) -> Self {
        Self {
            version: version.into(),
            cipher_suite: cipher_suite.into(),
            certificate,
        }
    }
}

/// A certificate.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The certificate, in DER.
    pub der: Bytes,
    /// The name of its owner (RFC 4514), such as `CN=AnyEvent::MP`. It is text of whoever made the certificate.
    pub subject: Text,
    /// The name of its issuer; that of the owner if the certificate is self-signed.
    pub issuer: Text,
    /// The beginning of its validity.
    pub not_before: SystemTime,
    /// The end of its validity.
    pub not_after: SystemTime,
    /// The SHA-256 hash of `der`.
    pub fingerprint: [u8; 32],
}

impl Certificate {
    /// The certificate `der`, with its owner, its issuer, its validity, and the SHA-256 hash of `der`.
    pub fn new(
        der: impl Into<Bytes>,
        subject: impl Into<Text>,
        issuer: impl Into<Text>,
        validity: Range<SystemTime>,
        fingerprint: [u8; 32],
    ) -> Self {
        Self {
            der: der.into(),
            subject: subject.into(),
            issuer: issuer.into(),
            not_before: validity.start,
            not_after: validity.end,
            fingerprint,
        }
    }

    /// The fingerprint as lower-case hexadecimal.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # let day = SystemTime::UNIX_EPOCH..SystemTime::UNIX_EPOCH;
    /// # let certificate = aemp::transport::Certificate::new(vec![], "CN=a", "CN=a", day, [0xab; 32]);
    /// assert_eq!(certificate.fingerprint_hex(), "ab".repeat(32));
    /// ```
    pub fn fingerprint_hex(&self) -> String {
        hex(&self.fingerprint)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("issuer", &self.issuer)
            .field("not_after", &self.not_after)
            .field("fingerprint", &self.fingerprint_hex())
            .finish_non_exhaustive()
    }
}

/// A stream from which bytes have been read already: they are read again, before the rest.
///
/// For code that drives [`handshake`](crate::handshake) itself: bytes behind the peer's nonce line belong to TLS.
pub struct Prefixed {
    prefix: Bytes,
    stream: Box<dyn Stream>,
}

impl fmt::Debug for Prefixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefixed")
            .field("prefix", &self.prefix.len())
            .finish_non_exhaustive()
    }
}

impl Prefixed {
    /// `stream` with the bytes `prefix` in front of it; `stream` itself if there are none.
    pub fn boxed(prefix: impl Into<Bytes>, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        let prefix = prefix.into();
        match prefix.is_empty() {
            true => stream,
            false => Box::new(Self { prefix, stream }),
        }
    }
}

impl Stream for Prefixed {
    fn local(&self) -> Option<SocketAddr> {
        self.stream.local()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer()
    }

    fn unconfirmed(&self) -> Option<u64> {
        self.stream.unconfirmed()
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.prefix.len().min(buffer.remaining());
        buffer.put_slice(&self.prefix[..length]);
        self.prefix.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    impl Stream for DuplexStream {}

    #[tokio::test]
    async fn a_stream_with_a_prefix_writes_several_slices_at_once_as_the_stream_itself_does() {
        let (mut near, far) = duplex(100);
        let mut prefixed = Prefixed::boxed("before", Box::new(far));
        assert!(prefixed.is_write_vectored());
        let slices = [IoSlice::new(b"two "), IoSlice::new(b"records")];
        assert_eq!(prefixed.write_vectored(&slices).await.unwrap(), 11);
        near.write_all(b" and after").await.unwrap();
        let mut read = [0; 16];
        prefixed.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"before and after");
        let mut written = [0; 11];
        near.read_exact(&mut written).await.unwrap();
        assert_eq!(&written, b"two records");
    }
}
