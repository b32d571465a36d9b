//! Certificates of every kind, made by the test.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SignatureAlgorithm, date_time_ymd,
};

/// A key and its certificate.
pub(crate) struct Made {
    params: CertificateParams,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

/// Changes what a certificate says.
pub(crate) type Change = fn(&mut CertificateParams);

pub(crate) fn plain(_: &mut CertificateParams) {}

pub(crate) fn ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

pub(crate) fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 2, 3);
}

pub(crate) fn future(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2090, 4, 5);
    params.not_after = date_time_ymd(2091, 1, 1);
}

pub(crate) fn for_clients(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

pub(crate) fn for_code(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
}

fn params(name: &str, change: Change) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    change(&mut params);
    params
}

/// One that it signs itself, with a key on P-256.
pub(crate) fn own(name: &str, change: Change) -> Made {
    own_with(&rcgen::PKCS_ECDSA_P256_SHA256, name, change)
}

pub(crate) fn own_with(algorithm: &'static SignatureAlgorithm, name: &str, change: Change) -> Made {
    let params = params(name, change);
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Made {
        params,
        key,
        certificate,
    }
}

impl Made {
    /// One that this one signs.
    pub(crate) fn issue(&self, name: &str, change: Change) -> Self {
        let params = params(name, change);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self {
            params,
            key,
            certificate,
        }
    }

    /// The certificate of this one with the key of another.
    #[allow(dead_code, reason = "few tests steal a certificate")]
    pub(crate) fn with_key_of(&self, other: &Self) -> Self {
        Self {
            params: self.params.clone(),
            key: KeyPair::try_from(other.key_der()).unwrap(),
            certificate: self.certificate.clone(),
        }
    }

    pub(crate) fn key(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn certificate(&self) -> String {
        self.certificate.pem()
    }

    /// Key and certificate, and the certificates of `trusted`.
    pub(crate) fn pem<'a>(&self, trusted: impl IntoIterator<Item = &'a Self>) -> String {
        let mut pem = self.key() + &self.certificate();
        for other in trusted {
            pem += &other.certificate();
        }
        pem
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    pub(crate) fn key_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }
}
