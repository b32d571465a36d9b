//! A peer that is scripted: it greets by hand, and then speaks TLS by rustls with whatever certificate it has, or none.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hmac::{KeyInit, Mac, SimpleHmac};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha3::{Digest, Sha3_512};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::Made;
use crate::nodes::soon;

/// A client of TLS, since its nonce line is empty. It has greeted.
pub(crate) struct Stranger {
    stream: BufReader<TlsStream<TcpStream>>,
    /// Both greeting lines of each end, with their nonces.
    ours: [String; 2],
    theirs: [String; 2],
}

impl Stranger {
    /// Greets the node at `address` as node `id`, and begins TLS with the certificate `made` or with none.
    pub(crate) async fn dial(
        address: &str,
        id: &str,
        made: Option<&Made>,
    ) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let (ours, theirs) = greet(&mut stream, id, "").await;
        let connector = TlsConnector::from(Arc::new(config(made)));
        let name = ServerName::from(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let stream = soon(connector.connect(name, stream)).await?;
        Ok(Self {
            stream: BufReader::new(stream),
            ours,
            theirs,
        })
    }

    /// Authenticates by `tls_sha3_512`.
    pub(crate) async fn hash(&mut self) {
        let line = hash(&self.ours, &self.theirs);
        self.say(&line).await;
    }

    /// Authenticates by `hmac_sha3_512`.
    #[allow(dead_code, reason = "not every test has a secret")]
    pub(crate) async fn prove(&mut self, secret: &str) {
        let mut mac = SimpleHmac::<Sha3_512>::new_from_slice(secret.as_bytes()).unwrap();
        for line in self.ours.iter().chain(&self.theirs) {
            mac.update(format!("{line}\n").as_bytes());
        }
        let line = format!("hmac_sha3_512;{};json\n", hex(&mac.finalize().into_bytes()));
        self.say(&line).await;
    }

    pub(crate) async fn say(&mut self, text: &str) {
        // The node may have closed: then reading says so.
        let _ = soon(self.stream.write_all(text.as_bytes())).await;
        let _ = soon(self.stream.flush()).await;
    }

    /// The next line, empty when the node has closed.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = soon(self.stream.read_line(&mut line)).await;
        line
    }

    /// Takes so many bytes.
    #[allow(dead_code, reason = "not every test reads messages")]
    pub(crate) async fn take(&mut self, bytes: usize) {
        let mut taken = vec![0; bytes];
        soon(self.stream.read_exact(&mut taken))
            .await
            .expect("they come");
    }

    /// Reads until `end` comes.
    #[allow(dead_code, reason = "not every test reads messages")]
    pub(crate) async fn until(&mut self, end: &str) {
        let all = async {
            let mut come = Vec::new();
            while !come.ends_with(end.as_bytes()) {
                come.push(self.stream.read_u8().await.expect("it is open"));
            }
        };
        soon(all).await;
    }
}

/// Greets a node over plain TCP; both greeting lines and nonces. The other end's bytes after that are left alone.
pub(crate) async fn greet(
    stream: &mut TcpStream,
    id: &str,
    nonce: &str,
) -> ([String; 2], [String; 2]) {
    let greeting = format!(
        "aemp;1;{id};tls_sha3_512,hmac_sha3_512,tls_anon;json;provider=test;tls=1.0;trace=1"
    );
    let lines = format!("{greeting}\n{nonce}\n");
    soon(stream.write_all(lines.as_bytes())).await.unwrap();
    let mut theirs = Vec::new();
    while theirs.iter().filter(|byte| **byte == b'\n').count() < 2 {
        theirs.push(soon(stream.read_u8()).await.expect("it greets"));
    }
    let theirs = String::from_utf8(theirs).unwrap();
    let mut theirs = theirs.lines().map(str::to_owned);
    let theirs = [theirs.next().unwrap(), theirs.next().unwrap()];
    ([greeting, nonce.to_owned()], theirs)
}

/// The auth line of `tls_sha3_512` (protocol.md section 2).
pub(crate) fn hash(ours: &[String; 2], theirs: &[String; 2]) -> String {
    let mut hash = Sha3_512::new();
    for line in ours.iter().chain(theirs) {
        hash.update(line);
        hash.update("\n");
    }
    format!("tls_sha3_512;{};json\n", hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(made: Option<&Made>) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)));
    match made {
        None => builder.with_no_client_auth(),
        Some(made) => {
            let key = PrivateKeyDer::try_from(made.key_der()).unwrap();
            let key = any_supported_type(&key).unwrap();
            // Unlike `with_client_auth_cert`, this does not mind if they do not fit.
            let key = CertifiedKey::new(vec![CertificateDer::from(made.der())], key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
    }
}

/// Accepts every certificate.
#[derive(Debug)]
pub(crate) struct Anyone(Arc<CryptoProvider>);

impl Anyone {
    #[allow(dead_code, reason = "for tests with a configuration of their own")]
    pub(crate) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
