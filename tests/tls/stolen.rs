//! A certificate without its key, which anyone has who has seen it: the signature of the handshake does not fit.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use aemp::Tls;
use aemp::handshake::TlsRole;
use aemp::tls::Version as TlsVersion;
use aemp::transport::{Secure, SecureConfig};
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::{self, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certificates::{Made, own, plain};
use crate::nodes::soon;
use crate::pipe::Pipe;
use crate::stranger::Anyone;

/// The certificate of `one` with the key of `other`.
fn mixed(one: &Made, other: &Made) -> Arc<SingleCertAndKey> {
    let key = PrivateKeyDer::try_from(other.key_der()).unwrap();
    let key = any_supported_type(&key).unwrap();
    let key = CertifiedKey::new(vec![CertificateDer::from(one.der())], key);
    Arc::new(SingleCertAndKey::from(key))
}

/// What our end says of a peer that presents that.
async fn refusal(role: TlsRole, version: TlsVersion, owned: bool) -> Result<(), String> {
    let (made, other) = (own("aemp", plain), own("other", plain));
    let key = match owned {
        true => mixed(&made, &made),
        false => mixed(&made, &other),
    };
    let (theirs, ours) = tokio::io::duplex(64 << 10);
    let ours = Pipe {
        stream: ours,
        local: None,
        peer: None,
    };
    let tls = Tls::from_pem(&made.pem([])).unwrap().only(version);
    let ours = tls.secure(Box::new(ours), SecureConfig::new(role));
    let theirs = tokio::spawn(peer(theirs, role, key));
    let outcome = soon(ours).await;
    theirs.abort();
    outcome.map(drop).map_err(|error| error.to_string())
}

/// The other end, by rustls, which accepts every certificate.
async fn peer(stream: DuplexStream, ours: TlsRole, key: Arc<SingleCertAndKey>) {
    let provider = Arc::new(ring::default_provider());
    if ours == TlsRole::Server {
        let key: Arc<dyn ResolvesClientCert> = key;
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone::new(provider)))
            .with_client_cert_resolver(key);
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let connector = TlsConnector::from(Arc::new(config));
        if let Ok(mut stream) = connector.connect(name, stream).await {
            let _ = stream.read_u8().await;
        }
    } else {
        let key: Arc<dyn ResolvesServerCert> = key;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(key);
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            let _ = stream.read_u8().await;
        }
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_in_either_role_and_version() {
    for role in [TlsRole::Client, TlsRole::Server] {
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let (owned, stolen) = (
                refusal(role, version, true).await,
                refusal(role, version, false).await,
            );
            assert_eq!(owned, Ok(()), "{role:?} {version:?}");
            let expected = "the peer does not own the key of the certificate that it presents";
            let stolen = stolen.unwrap_err();
            assert!(stolen.contains(expected), "{role:?} {version:?}: {stolen}");
        }
    }
}
