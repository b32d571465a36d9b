//! TLS for aemp: [`Tls`] is the core's [`Secure`](aemp_core::transport::Secure), by rustls, over the streams of any
//! transport. It knows certificates and nothing of greetings, auth lines and messages.
//!
//! TLS 1.2 and 1.3, both ends present a certificate. Which end of TLS a node is depends on the nonces of the connection
//! ([protocol.md section 2]), so every node has to be ready for both.
//!
//! # Certificates
//!
//! One PEM holds all of it, in any order: a private key (PKCS#8, PKCS#1 or SEC1; RSA of 2,048 bits or more, P-256, P-384 or
//! Ed25519), the certificate that fits the key, and any further certificates, which the node trusts.
//!
//! | the peer presents | it is accepted if |
//! | --- | --- |
//! | one of the certificates in the PEM, the own one included | it is valid now |
//! | another one | it is valid now, and a chain leads from it to a further certificate of the PEM that is a CA |
//!
//! So the simplest network shares one self-signed certificate and its key, as AnyEvent::MP's do; whether it says of itself
//! that it is a CA makes no difference. That the peer owns the key of its certificate is verified in every case. Nodes have
//! no host names: no name in a certificate is compared with anything.
//!
//! There is no resumption of sessions, no renegotiation, and no early data: each connection presents its certificates.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = rcgen::KeyPair::generate()?;
//! # let certificate = rcgen::CertificateParams::default().self_signed(&key)?;
//! # let pem = key.serialize_pem() + &certificate.pem();
//! let tls = aemp::Tls::from_pem(&pem)?;
//! let builder = aemp::LocalNode::builder().id("a").tls(tls.clone());
//! // Later, while the node runs: new connections use the new certificate.
//! # let new = pem;
//! tls.replace(&new)?;
//! # Ok(())
//! # }
//! ```
//!
//! [protocol.md section 2]: aemp_core::protocol#2-opening-a-connection

mod alert;
mod certificate;
mod identity;
mod pem;
mod stream;
mod tls;
mod verify;

pub use pem::PemError;
pub use tls::{Tls, Version};
pub use verify::Refusal;
