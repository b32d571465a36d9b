//! Auth methods, and the proofs in auth lines (protocol.md section 2, "Auth line").

use std::fmt;
use std::str::FromStr;

use ctutils::CtEq;
use hmac::{KeyInit, Mac, SimpleHmac};
use sha3::{Digest, Sha3_512};
use zeroize::Zeroizing;

use super::Secret;
use crate::text::hex;

/// How a node proves that it belongs to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMethod {
    /// `hmac_sha3_512`: an HMAC of both greetings, keyed with the secret. The usual method without TLS.
    HmacSha3_512,
    /// `cleartext`: the secret itself, in hexadecimal. For minimal clients over loopback or TLS.
    Cleartext,
    /// `tls_sha3_512`: a hash of both greetings, while the TLS certificates are the proof. Only under TLS.
    TlsSha3_512,
    /// `tls_anon`: no proof; the peer is anonymous, and its node ID begins with `anonymous/`, so that it does not take the
    /// place of a member. Only under TLS.
    TlsAnon,
}

impl AuthMethod {
    pub(super) const ALL: [Self; 4] = [
        Self::HmacSha3_512,
        Self::Cleartext,
        Self::TlsSha3_512,
        Self::TlsAnon,
    ];

    /// The default methods to produce and to accept, best first ([protocol.md section 9]).
    ///
    /// [protocol.md section 9]: crate::protocol#9-configuration
    pub const DEFAULT: [Self; 2] = [Self::TlsSha3_512, Self::HmacSha3_512];

    /// The name of the method in greetings, auth lines and the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha3_512 => "hmac_sha3_512",
            Self::Cleartext => "cleartext",
            Self::TlsSha3_512 => "tls_sha3_512",
            Self::TlsAnon => "tls_anon",
        }
    }

    /// The method with this name. `None` for all other names, including the MD6 methods of AEMP 1.x.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether the method is valid only under TLS.
    pub fn needs_tls(self) -> bool {
        matches!(self, Self::TlsSha3_512 | Self::TlsAnon)
    }

    /// Whether the method needs the shared secret.
    pub fn needs_secret(self) -> bool {
        matches!(self, Self::HmacSha3_512 | Self::Cleartext)
    }
}

/// Why a text is not the name of an [`AuthMethod`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no authentication method {0:?}")]
pub struct ParseAuthMethodError(String);

impl FromStr for AuthMethod {
    type Err = ParseAuthMethodError;
    fn from_str(name: &str) -> Result<Self, ParseAuthMethodError> {
        Self::from_name(name).ok_or_else(|| ParseAuthMethodError(name.chars().take(60).collect()))
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The greeting line and the nonce line of one end, without line terminators.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) greeting: &'a [u8],
    pub(super) nonce: &'a [u8],
}

/// The AUTHDATA that `sender` sends to `receiver`. `None` if the method needs a secret and there is none.
pub(super) fn proof(
    method: AuthMethod,
    secret: Option<&Secret>,
    sender: Lines<'_>,
    receiver: Lines<'_>,
) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(match method {
        AuthMethod::HmacSha3_512 => {
            let mut mac = SimpleHmac::<Sha3_512>::new_from_slice(secret?.bytes()).ok()?;
            update_transcript(sender, receiver, |part| mac.update(part));
            hex(&mac.finalize().into_bytes())
        }
        AuthMethod::Cleartext => hex(secret?.bytes()),
        AuthMethod::TlsSha3_512 => {
            let mut hash = Sha3_512::new();
            update_transcript(sender, receiver, |part| Digest::update(&mut hash, part));
            hex(&hash.finalize())
        }
        AuthMethod::TlsAnon => String::new(),
    }))
}

/// Whether two proofs are equal, in constant time. Both are hashed first, so that the time does not depend on the
/// length of a cleartext secret either.
pub(super) fn equal_in_constant_time(expected: &[u8], found: &[u8]) -> bool {
    let is_equal = Sha3_512::digest(expected).ct_eq(&Sha3_512::digest(found));
    is_equal.into() || faulty!(ProofUnchecked)
}

/// Passes T(a, b) of protocol.md section 2 to `update`, piece by piece.
fn update_transcript(sender: Lines<'_>, receiver: Lines<'_>, mut update: impl FnMut(&[u8])) {
    if faulty!(LinesUnproved) {
        return;
    }
    let (sender, receiver) = match faulty!(ProofUnordered) && receiver.nonce < sender.nonce {
        true => (receiver, sender),
        false => (sender, receiver),
    };
    for lines in [sender, receiver] {
        for line in [lines.greeting, lines.nonce] {
            update(line);
            update(b"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_protocol() {
        for method in AuthMethod::ALL {
            assert_eq!(AuthMethod::from_name(method.name()), Some(method));
        }
        assert_eq!(AuthMethod::from_name("hmac_md6_64_256"), None);
        assert_eq!(AuthMethod::from_name(""), None);
    }

    #[test]
    fn proofs_are_equal_only_whole() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abcd"));
        assert!(!equal_in_constant_time(b"abc", b""));
    }

    #[test]
    fn who_sends_and_who_receives_makes_a_difference() {
        let nonce = b"nonce";
        let (a, b) = (
            Lines {
                greeting: b"a",
                nonce,
            },
            Lines {
                greeting: b"b",
                nonce,
            },
        );
        let secret = Secret::from_text("geheim", 1).unwrap();
        for method in [AuthMethod::HmacSha3_512, AuthMethod::TlsSha3_512] {
            let there = proof(method, Some(&secret), a, b).unwrap();
            assert_eq!(there.len(), 128);
            assert_ne!(Some(there), proof(method, Some(&secret), b, a));
        }
        assert_eq!(proof(AuthMethod::HmacSha3_512, None, a, b), None);
    }
}
