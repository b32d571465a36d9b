//! The PEM of a node: its private key and certificates, and why it cannot be used.

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroize;

/// The parts of a PEM.
pub(crate) struct Pem {
    pub(crate) key: Key,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

/// A private key, which is erased when it is dropped.
pub(crate) struct Key(pub(crate) PrivateKeyDer<'static>);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Why a PEM cannot be used. No error contains anything of a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// A section is not complete, or not base64.
    #[error("the PEM is damaged: {0}")]
    Form(&'static str),
    /// There is no private key.
    #[error(
        "the PEM has no private key: expected \"-----BEGIN PRIVATE KEY-----\", and a certificate after it"
    )]
    NoKey,
    /// The private key is encrypted.
    #[error(
        "the private key in the PEM is encrypted: a node cannot ask for its password; decrypt it, for instance by \
         \"openssl pkey\""
    )]
    Encrypted,
    /// There are several private keys.
    #[error("the PEM has {0} private keys, and a node has one: remove the older ones")]
    Keys(usize),
    /// The private key is of a kind that is not supported.
    #[error(
        "the private key in the PEM cannot be used: {0}; supported are RSA of 2,048 bits or more, P-256, P-384 and Ed25519"
    )]
    Key(String),
    /// There is no certificate.
    #[error(
        "the PEM has a private key, and no certificate: expected \"-----BEGIN CERTIFICATE-----\""
    )]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("certificate {number} of the PEM cannot be read: {why}")]
    #[non_exhaustive]
    Certificate {
        /// Its number in the PEM, from 1 on.
        number: usize,
        /// The reason.
        why: String,
    },
    /// None of the certificates belongs to the private key.
    #[error("none of the {0} certificates in the PEM belongs to its private key")]
    Mismatch(usize),
}

impl From<PemError> for aemp_core::Error {
    fn from(error: PemError) -> Self {
        Self::other(error)
    }
}

/// What is wrong with a section. The text of the error itself could hold a part of a private key.
fn damage(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no \"-----END\" line",
        pem::Error::IllegalSectionStart { .. } => "a \"-----BEGIN\" line is not complete",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "a section cannot be read",
    }
}

impl Pem {
    pub(crate) fn read(pem: &str) -> Result<Self, PemError> {
        let mut keys = Vec::new();
        let mut certificates = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            let (kind, der) = section.map_err(|error| PemError::Form(damage(&error)))?;
            match kind {
                SectionKind::Certificate => certificates.push(CertificateDer::from(der)),
                kind => keys.extend(PrivateKeyDer::from_pem(kind, der).map(Key)),
            }
        }
        let is_encrypted = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];
        if is_encrypted.iter().any(|mark| pem.contains(mark)) {
            return Err(PemError::Encrypted);
        }
        if keys.len() > 1 {
            return Err(PemError::Keys(keys.len()));
        }
        let key = keys.pop().ok_or(PemError::NoKey)?;
        if certificates.is_empty() {
            return Err(PemError::NoCertificate);
        }
        Ok(Self { key, certificates })
    }
}
