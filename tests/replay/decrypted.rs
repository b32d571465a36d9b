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
        let certificate = Certificate::new(
            bytes::Bytes::new(),
            "CN=AnyEvent::MP",
            "CN=AnyEvent::MP",
            SystemTime::UNIX_EPOCH..SystemTime::UNIX_EPOCH,
            [0; 32],
        );
        let tls = TlsInfo::new("TLS 1.3", "decrypted", Some(certificate));
        Ok(Secured::new(stream, tls))
    }
}
