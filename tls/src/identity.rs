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

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    /// The certificate of `name` with this key, which an owner of the other key signs in the name of `issuer`.
    fn issue(name: &str, key: &KeyPair, issuer: &str, by: &KeyPair) -> Certificate {
        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let issuer = Issuer::new(named(issuer), by);
        named(name).signed_by(key, &issuer).unwrap()
    }

    /// The certificates that a node with this key and these certificates presents, by their owners.
    fn presented(key: &KeyPair, certificates: &[&Certificate]) -> Vec<String> {
        let mut pem = key.serialize_pem();
        for certificate in certificates {
            pem += &certificate.pem();
        }
        let identity = Identity::from_pem(&pem).unwrap();
        let owner = |der| Parsed::new(der).unwrap().subject().to_owned();
        identity.key.cert.iter().map(owner).collect()
    }

    #[test]
    fn what_is_presented_leads_to_the_ca_and_leaves_it_out() {
        let [a, between, root, other] = [(); 4].map(|()| KeyPair::generate().unwrap());
        let of_a = issue("a", &a, "between", &between);
        let of_between = issue("between", &between, "root", &root);
        let of_root = issue("root", &root, "root", &root);
        let of_other = issue("other", &other, "root", &root);
        let all = [&of_other, &of_a, &of_root, &of_between];
        assert_eq!(presented(&a, &all), ["CN=a", "CN=between"]);
        assert_eq!(presented(&between, &all), ["CN=between"]);
        assert_eq!(presented(&root, &all), ["CN=root"]);
        // What has to come between is not there.
        assert_eq!(presented(&a, &[&of_a, &of_root]), ["CN=a"]);
    }

    /// As while one takes the place of the other.
    #[test]
    fn a_certificate_of_its_own_is_presented_alone_though_another_has_its_name() {
        let [new, old] = [(); 2].map(|()| KeyPair::generate().unwrap());
        let of_new = issue("aemp", &new, "aemp", &new);
        let of_old = issue("aemp", &old, "aemp", &old);
        assert_eq!(presented(&new, &[&of_new, &of_old]), ["CN=aemp"]);
    }

    #[test]
    fn certificates_that_sign_each_other_are_presented_once() {
        let [a, one, other] = [(); 3].map(|()| KeyPair::generate().unwrap());
        let of_a = issue("a", &a, "one", &one);
        let of_one = issue("one", &one, "other", &other);
        let of_other = issue("other", &other, "one", &one);
        let expected = ["CN=a", "CN=one", "CN=other"];
        assert_eq!(presented(&a, &[&of_a, &of_one, &of_other]), expected);
    }
}
