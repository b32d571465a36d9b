//! `Verifier`: decides whether the certificate of a peer is accepted, in either role.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aemp_core::transport::Certificate;
use aemp_core::{Excerpt, faulty};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use crate::certificate::Parsed;
use crate::identity::{Anchor, Identity};

/// Why the certificate of a peer was refused. The names in it are text of the peer, shortened and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It, or one between it and its CA, has expired.
    #[error("the peer's certificate {subject} has expired: it was valid until {not_after}")]
    #[non_exhaustive]
    Expired {
        /// Whose it is.
        subject: String,
        /// The end of its validity.
        not_after: String,
    },
    /// It, or one between it and its CA, is not valid yet.
    #[error(
        "the peer's certificate {subject} is not valid yet: it is valid from {not_before}; is the clock of this host right?"
    )]
    #[non_exhaustive]
    NotValidYet {
        /// Whose it is.
        subject: String,
        /// The beginning of its validity.
        not_before: String,
    },
    /// It is none of the certificates that this node trusts, and no chain leads to one of them.
    #[error(
        "the peer's certificate {subject}, issued by {issuer}, is not trusted: this node trusts {trusted}; give both the \
         same certificate, or certificates of the same CA and that CA"
    )]
    #[non_exhaustive]
    Foreign {
        /// Whose it is.
        subject: String,
        /// Who issued it.
        issuer: String,
        /// What this node trusts.
        trusted: String,
    },
    /// Something in it, or in the chain to its CA, forbids its use or is wrong.
    #[error("the peer's certificate {subject} is refused: {why}")]
    #[non_exhaustive]
    Invalid {
        /// Whose it is.
        subject: String,
        /// The error.
        why: String,
    },
    /// It cannot be read.
    #[error("the peer's certificate cannot be read: {0}")]
    Unreadable(String),
}

impl Refusal {
    /// The error of rustls, which decides what the peer is told: a code, and nothing of the text.
    fn alert(&self) -> CertificateError {
        match self {
            Self::Expired { .. } => CertificateError::Expired,
            Self::NotValidYet { .. } => CertificateError::NotValidYet,
            Self::Foreign { .. } => CertificateError::UnknownIssuer,
            Self::Invalid { .. } | Self::Unreadable(_) => CertificateError::BadEncoding,
        }
    }
}

/// The verifier of one connection. It keeps what it has found, since TLS has only a code for it.
pub(crate) struct Verifier {
    identity: Arc<Identity>,
    provider: Arc<CryptoProvider>,
    /// Whether a client without a certificate is refused.
    required: bool,
    found: Mutex<Option<Result<Certificate, Refusal>>>,
}

impl Verifier {
    pub(crate) fn new(
        identity: Arc<Identity>,
        provider: Arc<CryptoProvider>,
        required: bool,
    ) -> Self {
        Self {
            identity,
            provider,
            required,
            found: Mutex::default(),
        }
    }

    /// The peer's certificate or why it was refused; `None` if the peer has presented none.
    pub(crate) fn take(&self) -> Option<Result<Certificate, Refusal>> {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn verify(
        &self,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let found = self.check(der, intermediates, now);
        let outcome = match &found {
            Ok(_) => Ok(()),
            Err(refusal) => Err(Error::InvalidCertificate(refusal.alert())),
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        outcome
    }

    /// Accepts a certificate of the PEM, or one with a chain to a CA of the PEM.
    fn check(
        &self,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Certificate, Refusal> {
        let parsed = Parsed::new(der).map_err(Refusal::Unreadable)?;
        if faulty!(CertificateUnchecked) {
            return Ok(parsed.certificate);
        }
        check_validity(&parsed, now)?;
        let Identity { own, trusted, .. } = &*self.identity;
        let is_listed = |listed: &Parsed| *listed.certificate.der == **der;
        if !is_listed(own) && !trusted.iter().any(is_listed) {
            self.check_chain(&parsed, der, intermediates, now)?;
        }
        Ok(parsed.certificate)
    }

    fn check_chain(
        &self,
        parsed: &Parsed,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let of_today = |anchor: &&Anchor| check_validity(&anchor.parsed, now).is_ok();
        let anchors = self.identity.anchors.iter().filter(of_today);
        let anchors: Vec<_> = anchors.map(|anchor| anchor.anchor.clone()).collect();
        let verify = |usage| -> Result<(), webpki::Error> {
            let leaf = EndEntityCert::try_from(der)?;
            let verified = leaf.verify_for_usage(
                self.provider.signature_verification_algorithms.all,
                &anchors,
                intermediates,
                now,
                usage,
                None,
                None,
            );
            verified.map(drop)
        };
        // Which end of TLS a node is depends on nonces, so a certificate for either use is one for both.
        let verified = match verify(KeyUsage::server_auth()) {
            Err(webpki::Error::RequiredEkuNotFoundContext(_)) => verify(KeyUsage::client_auth()),
            verified => verified,
        };
        let Err(error) = verified else { return Ok(()) };
        // Whose validity has ended, if it is not the peer's own.
        let mut issuers = vec![parsed.certificate.issuer.clone()];
        for der in intermediates {
            if let Ok(intermediate) = Parsed::new(der) {
                check_validity(&intermediate, now)?;
                issuers.push(intermediate.certificate.issuer);
            }
        }
        for anchor in &self.identity.anchors {
            if issuers.contains(&anchor.parsed.certificate.subject) {
                check_validity(&anchor.parsed, now)?;
            }
        }
        let subject = shown(parsed.subject());
        Err(match error {
            // A self-signed CA certificate of somebody else is called a CA that is used as leaf, and one of a CA with the name
            // of a trusted one a wrong signature.
            webpki::Error::UnknownIssuer
            | webpki::Error::CaUsedAsEndEntity
            | webpki::Error::EndEntityUsedAsCa
            | webpki::Error::InvalidSignatureForPublicKey => Refusal::Foreign {
                subject,
                issuer: shown(&parsed.certificate.issuer),
                trusted: self.trusted(),
            },
            error => Refusal::Invalid {
                subject,
                why: format!("{error:?}"),
            },
        })
    }

    /// The names of the certificates that this node trusts.
    fn trusted(&self) -> String {
        let Identity { own, trusted, .. } = &*self.identity;
        let names = [own].into_iter().chain(trusted);
        names
            .map(|one| {
                let print = one.certificate.fingerprint_hex();
                format!("{} ({}..)", shown(one.subject()), &print[..16])
            })
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn check_validity(parsed: &Parsed, now: UnixTime) -> Result<(), Refusal> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    let subject = || shown(parsed.subject());
    if now > parsed.certificate.not_after {
        return Err(Refusal::Expired {
            subject: subject(),
            not_after: parsed.not_after.clone(),
        });
    }
    if now < parsed.certificate.not_before {
        return Err(Refusal::NotValidYet {
            subject: subject(),
            not_before: parsed.not_before.clone(),
        });
    }
    Ok(())
}

/// A name in quotes: shortened, with control characters escaped.
fn shown(name: &str) -> String {
    format!("{:.100?}", Excerpt(name))
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// Both traits ask for the same methods.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            if faulty!(SignatureUnchecked) {
                return Ok(HandshakeSignatureValid::assertion());
            }
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls12_signature(message, certificate, signed, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            if faulty!(SignatureUnchecked) {
                return Ok(HandshakeSignatureValid::assertion());
            }
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signed, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let algorithms = &self.provider.signature_verification_algorithms;
            algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(certificate, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    /// None: the client has one certificate, which it sends in any case.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(certificate, intermediates, now)
            .map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_valid_from_its_first_second_to_its_last() {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let parsed = Parsed::new(params.self_signed(&key).unwrap().der()).unwrap();
        let second = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let first = second(parsed.certificate.not_before);
        let last = second(parsed.certificate.not_after);
        let at = |time| check_validity(&parsed, UnixTime::since_unix_epoch(time));
        assert_eq!((at(first), at(last)), (Ok(()), Ok(())));
        let before = at(first - Duration::from_secs(1));
        assert!(matches!(before, Err(Refusal::NotValidYet { .. })));
        let after = at(last + Duration::from_secs(1));
        assert!(matches!(after, Err(Refusal::Expired { .. })));
    }
}
