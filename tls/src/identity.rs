//! `Identity`: the certificate that a node presents, with its key, and the certificates that it trusts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use rustls::sign::CertifiedKey;

use crate::certificate::Parsed;
use crate::pem::{Pem, PemError};

/// A warning is logged if a node starts with a certificate that ends within this time.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

pub(crate) struct Identity {
    /// The chain that is presented, from the own certificate on, and the key.
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) own: Parsed,
    /// The other certificates of the PEM.
    pub(crate) trusted: Vec<Parsed>,
    /// Those that may sign others.
    pub(crate) anchors: Vec<Anchor>,
}

impl Identity {
    pub(crate) fn from_pem(pem: &str) -> Result<Self, PemError> {
        let Pem { key, certificates } = Pem::read(pem)?;
        let signing = any_supported_type(&key.0).map_err(|error| PemError::Key(error.to_string()));
        let signing = signing?;
        let belongs = |certificate: &CertificateDer<'static>| {
            let pair = CertifiedKey::new(vec![certificate.clone()], signing.clone());
            pair.keys_match().is_ok()
        };
        let at = certificates.iter().position(belongs);
        let at = at.ok_or(PemError::Mismatch(certificates.len()))?;
        let mut trusted = Vec::new();
        let mut anchors = Vec::new();
        for (index, der) in certificates.iter().enumerate() {
            let unreadable = |why| PemError::Certificate {
                number: index + 1,
                why,
            };
            let parsed = Parsed::new(der).map_err(unreadable)?;
            // A self-signed certificate that is not marked as a CA is trusted for itself alone.
            if index != at && parsed.is_ca {
                let anchor = webpki::anchor_from_trusted_cert(der);
                let anchor = anchor.map_err(|error| unreadable(error.to_string()))?;
                anchors.push(Anchor {
                    parsed: parsed.clone(),
                    anchor: anchor.to_owned(),
                });
            }
            trusted.push(parsed);
        }
        let own = trusted.remove(at);
        let chain = chain(&own, &trusted);
        let identity = Self {
            key: Arc::new(CertifiedKey::new(chain, signing)),
            own,
            trusted,
            anchors,
        };
        identity.warn();
        Ok(identity)
    }

    /// Logs a warning if peers refuse the own certificate, or will soon.
    fn warn(&self) {
        let now = SystemTime::now();
        let certificate = &self.own.certificate;
        let subject = self.own.subject();
        let (from, until) = (&self.own.not_before, &self.own.not_after);
        if now > certificate.not_after {
            tracing::warn!(target: "aemp::tls", subject, %until, "this node's certificate has ended: peers refuse it");
        } else if now + SOON > certificate.not_after {
            tracing::warn!(target: "aemp::tls", subject, %until, "this node's certificate ends soon");
        } else if now < certificate.not_before {
            tracing::warn!(target: "aemp::tls", subject, %from, "this node's certificate is not valid yet: peers refuse it");
        }
    }
}

/// A CA certificate of the PEM.
pub(crate) struct Anchor {
    /// Its validity is checked by us: a trust anchor has none.
    pub(crate) parsed: Parsed,
    pub(crate) anchor: TrustAnchor<'static>,
}

/// The certificates that lead from `own` towards its CA, as far as the PEM has them. The CA itself is left out.
fn chain(own: &Parsed, others: &[Parsed]) -> Vec<CertificateDer<'static>> {
    let mut chain = vec![own.der()];
    let mut last = own;
    while !last.is_self_issued() && chain.len() <= others.len() {
        let issuer = &last.certificate.issuer;
        let next = others
            .iter()
            .find(|other| other.certificate.subject == *issuer && !other.is_self_issued());
        let Some(next) = next else { break };
        chain.push(next.der());
        last = next;
    }
    chain
}
