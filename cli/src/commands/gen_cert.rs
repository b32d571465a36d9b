//! `gencert`: a new private key with a certificate that it signs itself.

use aemp::profile;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyIdMethod};

use super::{Description, Takes, generate};
use crate::failure::Failure;
use crate::random::random;

pub(super) const GEN_CERT: Description = Description {
    name: "gencert",
    arguments: "",
    about: "Make a private key and a certificate of its own, and set them as cert; over one that is there with --force, or \
            where a terminal can be asked",
    examples: &["gencert", "profile seed gencert"],
    takes: Takes::Exactly(0),
    prepare: |line, _| {
        let pem = generate()
            .map_err(|what| Failure::Failed(format!("cannot make a certificate: {what}")))?;
        generate::set(line, profile::Key::Cert, pem.into())
    },
};

/// Key and certificate in PEM, in that order (protocol.md section 9).
fn generate() -> Result<String, String> {
    let key = Key::new()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "aemp");
    // A CA certificate used as that of a peer is what usual verifiers refuse (protocol.md section 2).
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_identifier_method = KeyIdMethod::PreSpecified(random_bytes::<20>()?.to_vec());
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&random_bytes::<16>()?));
    let certificate = params
        .self_signed(&key)
        .map_err(|error| error.to_string())?;
    let private = key
        .signing
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| error.to_string())?;
    Ok(format!("{}{}", private.as_str(), certificate.pem()))
}

/// A key on the curve P-256, which every TLS library knows.
struct Key {
    signing: SigningKey,
    public: Vec<u8>,
}

impl Key {
    fn new() -> Result<Self, String> {
        // One in 2^32 draws is no key; the next one is.
        for _ in 0..8 {
            if let Ok(signing) = SigningKey::from_slice(&random_bytes::<32>()?) {
                let public = signing.verifying_key().to_sec1_point(false);
                let public = public.as_bytes().to_vec();
                return Ok(Self { signing, public });
            }
        }
        Err("the system's random bytes make no key".into())
    }
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self
            .signing
            .try_sign(message)
            .map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_bytes().to_vec())
    }
}

fn random_bytes<const N: usize>() -> Result<[u8; N], String> {
    random().map_err(|failure| failure.to_string())
}
