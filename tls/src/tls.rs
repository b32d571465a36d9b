//! `Tls`: the node's certificate, and TLS over a stream.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aemp_core::handshake::TlsRole;
use aemp_core::transport::{Certificate, Secure, SecureConfig, Secured, Stream, TlsInfo};
use async_trait::async_trait;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, ProtocolVersion, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::alert::explained;
use crate::identity::Identity;
use crate::pem::PemError;
use crate::stream::{BUFFERED, Encrypted};
use crate::verify::Verifier;

/// TLS of a node, for [`NodeBuilder::tls`](aemp_core::NodeBuilder::tls). Clones share the certificate, which
/// [`replace`](Self::replace) exchanges while the node runs.
///
/// # Memory
/// Until the peer is verified, rustls buffers what it has received of one message of the handshake, at most 64 KiB.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use aemp::Tls;
///
/// let tls = Tls::from_pem(&std::fs::read_to_string("node.pem")?)?;
/// let node = aemp::node().id("shop").secret("correct horse battery staple").bind("*:4040").tls(tls.clone()).start().await?;
/// // Later, when the certificate has been renewed: new connections use it.
/// tls.replace(&std::fs::read_to_string("node.pem")?)?;
/// # drop(node);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    // Locked for a clone of the `Arc`.
    identity: Arc<RwLock<Arc<Identity>>>,
    provider: Arc<CryptoProvider>,
    versions: &'static [&'static SupportedProtocolVersion],
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// How long a refused peer may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes of a refused peer that are read and dropped at most.
const MAX_DROPPED: usize = 64 << 10;

impl Tls {
    /// TLS with the key and the certificates in `pem`; see the [crate's documentation](crate#certificates). A certificate
    /// that has ended, or ends within 14 days, causes a warning in the log.
    ///
    /// # Errors
    /// If the PEM cannot be used.
    pub fn from_pem(pem: &str) -> Result<Self, PemError> {
        let identity = Arc::new(Identity::from_pem(pem)?);
        Ok(Self {
            identity: Arc::new(RwLock::new(identity)),
            provider: Arc::new(ring::default_provider()),
            versions: BOTH,
        })
    }

    /// Restricts TLS to one version.
    pub fn only(mut self, version: Version) -> Self {
        self.versions = match version {
            Version::Tls12 => &BOTH[1..],
            Version::Tls13 => &BOTH[..1],
        };
        self
    }

    /// Replaces the key and the certificates, for connections that are opened from now on. Open connections stay as they
    /// are, also if their certificates are not trusted any more.
    ///
    /// # Errors
    /// If the PEM cannot be used. Then nothing changes.
    pub fn replace(&self, pem: &str) -> Result<(), PemError> {
        let identity = Arc::new(Identity::from_pem(pem)?);
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = identity;
        Ok(())
    }

    /// The certificate that this node presents.
    pub fn certificate(&self) -> Certificate {
        self.identity().own.certificate.clone()
    }

    /// The other certificates that it trusts.
    pub fn trusted(&self) -> Vec<Certificate> {
        let identity = self.identity();
        let trusted = identity.trusted.iter();
        trusted.map(|parsed| parsed.certificate.clone()).collect()
    }

    fn identity(&self) -> Arc<Identity> {
        self.identity
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn client(&self, verifier: Arc<Verifier>, identity: &Identity) -> Result<ClientConfig, Error> {
        let resolver = Arc::new(SingleCertAndKey::from(identity.key.clone()));
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(resolver);
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }

    fn server(&self, verifier: Arc<Verifier>, identity: &Identity) -> Result<ServerConfig, Error> {
        let resolver: Arc<dyn ResolvesServerCert> =
            Arc::new(SingleCertAndKey::from(identity.key.clone()));
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(resolver);
        // No memory is kept for strangers, and every connection presents its certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The TLS handshake. With its error comes the stream.
    async fn handshake(
        &self,
        stream: Box<dyn Stream>,
        role: TlsRole,
        verifier: Arc<Verifier>,
        identity: &Identity,
    ) -> Result<TlsStream<Box<dyn Stream>>, (io::Error, Box<dyn Stream>)> {
        match role {
            TlsRole::Client => {
                let config = match self.client(verifier, identity) {
                    Ok(config) => TlsConnector::from(Arc::new(config)),
                    Err(error) => return Err((io::Error::other(error), stream)),
                };
                // No name is sent, since nodes have none.
                let name = ServerName::from(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                let connected = config.connect_with(name, stream, |connection| {
                    connection.set_buffer_limit(Some(BUFFERED));
                });
                connected.into_fallible().await.map(TlsStream::Client)
            }
            TlsRole::Server => {
                let config = match self.server(verifier, identity) {
                    Ok(config) => TlsAcceptor::from(Arc::new(config)),
                    Err(error) => return Err((io::Error::other(error), stream)),
                };
                let accepted = config.accept_with(stream, |connection| {
                    connection.set_buffer_limit(Some(BUFFERED));
                });
                accepted.into_fallible().await.map(TlsStream::Server)
            }
        }
    }
}

#[async_trait]
impl Secure for Tls {
    async fn secure(&self, stream: Box<dyn Stream>, options: SecureConfig) -> io::Result<Secured> {
        let identity = self.identity();
        let required = options.certificate_required;
        let verifier = Verifier::new(identity.clone(), self.provider.clone(), required);
        let verifier = Arc::new(verifier);
        let done = self.handshake(stream, options.role, verifier.clone(), &identity);
        let stream = match done.await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                let error = match verifier.take() {
                    Some(Err(refusal)) => io::Error::new(io::ErrorKind::InvalidData, refusal),
                    _ => explained(error),
                };
                if error.kind() == io::ErrorKind::InvalidData {
                    let _ = tokio::time::timeout(LINGER, drain(stream)).await;
                }
                return Err(error);
            }
        };
        let (_, session) = stream.get_ref();
        let presents = session.peer_certificates().is_some();
        let certificate = verifier.take().and_then(Result::ok).filter(|_| presents);
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        let suite = session.negotiated_cipher_suite();
        let suite = suite.map_or_else(String::new, |suite| format!("{:?}", suite.suite()));
        let tls = TlsInfo::new(version, suite, certificate);
        let stream = Box::new(Encrypted::new(stream));
        Ok(Secured::new(stream, tls))
    }
}

/// Lets a refused peer read the alert: a connection that is closed with unread bytes is reset, which drops it.
async fn drain(mut stream: Box<dyn Stream>) {
    let mut dropped = 0;
    let mut buffer = [0; 4096];
    let _ = stream.shutdown().await;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        dropped += read;
        if dropped > MAX_DROPPED {
            return;
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate())
            .finish_non_exhaustive()
    }
}
