//! What is read of a certificate besides what rustls and webpki verify: its names, its validity, and whether it is a CA.

use aemp_core::transport::Certificate;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::BasicConstraints;

/// A certificate that has been read. It is not verified by that.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) certificate: Certificate,
    /// The dates of `certificate`, as errors show them.
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    /// Whether it may sign other certificates.
    pub(crate) is_ca: bool,
}

impl Parsed {
    /// Reads a certificate. The error is the reason why it cannot be read.
    pub(crate) fn new(der: &CertificateDer<'_>) -> Result<Self, String> {
        let read = x509_cert::Certificate::from_der(der).map_err(|error| error.to_string())?;
        let tbs = read.tbs_certificate();
        let constraints = tbs.get_extension::<BasicConstraints>();
        let constraints = constraints.map_err(|error| error.to_string())?;
        let validity = tbs.validity();
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, der).as_ref());
        Ok(Self {
            certificate: Certificate::new(
                der.to_vec(),
                tbs.subject().to_string(),
                tbs.issuer().to_string(),
                validity.not_before.to_system_time()..validity.not_after.to_system_time(),
                fingerprint,
            ),
            not_before: validity.not_before.to_string(),
            not_after: validity.not_after.to_string(),
            is_ca: constraints.is_some_and(|(_, constraints)| constraints.ca),
        })
    }

    /// The name of its owner.
    pub(crate) fn subject(&self) -> &str {
        &self.certificate.subject
    }

    /// Whether it is self-signed, by its names.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.certificate.subject == self.certificate.issuer
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.certificate.der.to_vec())
    }
}
