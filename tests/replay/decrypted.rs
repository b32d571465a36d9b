//! TLS whose content was recorded: the relay of the recording had the key, so what is replayed is not encrypted. Whole
//! nodes under real TLS are in `tests/tls`.

use std::io;
use std::time::SystemTime;

use aemp::transport::{Certificate, Secure, SecureConfig, Secured, Stream, TlsInfo};
use async_trait::async_trait;

/// Leaves the stream as it is, and says that the peer has a certificate.
pub(crate) struct Decrypted;

#[async_trait]
impl Secure for Decrypted {
    async fn secure(&self, stream: Box<dyn Stream>, _: SecureConfig) -> io::Result<Secured> {
        let certificate = Certificate {
            der: bytes::Bytes::new(),
            subject: "CN=AnyEvent::MP".into(),
            issuer: "CN=AnyEvent::MP".into(),
            not_before: SystemTime::UNIX_EPOCH,
            not_after: SystemTime::UNIX_EPOCH,
            fingerprint: [0; 32],
        };
        let tls = TlsInfo {
            version: "TLS 1.3".into(),
            cipher_suite: "decrypted".into(),
            certificate: Some(certificate),
        };
        Ok(Secured { stream, tls })
    }
}
