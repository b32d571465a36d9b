//! Auth methods, and the proofs that go into auth lines (protocol.md section 2, "Auth line").

use std::fmt;

use ctutils::CtEq;
use hmac::{KeyInit, Mac, SimpleHmac};
use sha3::{Digest, Sha3_512};

use super::Secret;

/// How one end proves that it belongs to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMethod {
    /// `hmac_sha3_512`: an HMAC of both greetings, keyed with the secret. The usual one without TLS.
    HmacSha3_512,
    /// `cleartext`: the secret itself, in hex. For clients of three lines, over loopback or TLS.
    Cleartext,
    /// `tls_sha3_512`: a hash of both greetings; the certificates are the proof. Only under TLS.
    TlsSha3_512,
    /// `tls_anon`: nothing is proved, and the peer is anonymous. Only under TLS.
    TlsAnon,
}

impl AuthMethod {
    const ALL: [Self; 4] = [
        Self::HmacSha3_512,
        Self::Cleartext,
        Self::TlsSha3_512,
        Self::TlsAnon,
    ];

    /// Those that are produced and accepted unless a configuration says otherwise, best first (protocol.md section 9).
    pub const DEFAULT: [Self; 2] = [Self::TlsSha3_512, Self::HmacSha3_512];

    /// Its name in greetings, auth lines and the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha3_512 => "hmac_sha3_512",
            Self::Cleartext => "cleartext",
            Self::TlsSha3_512 => "tls_sha3_512",
            Self::TlsAnon => "tls_anon",
        }
    }

    /// The method of that name. `None` for any other, the MD6 ones of AEMP 1.x included.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether it counts only under TLS.
    pub fn needs_tls(self) -> bool {
        matches!(self, Self::TlsSha3_512 | Self::TlsAnon)
    }

    /// Whether it needs the shared secret.
    pub fn needs_secret(self) -> bool {
        matches!(self, Self::HmacSha3_512 | Self::Cleartext)
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two lines of one end's greeting, byte for byte, without their endings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) greeting: &'a [u8],
    pub(super) nonce: &'a [u8],
}

/// The AUTHDATA that `sender` writes to `receiver`. `None` where the method needs a secret and there is none.
pub(super) fn proof(
    method: AuthMethod,
    secret: Option<&Secret>,
    sender: Lines<'_>,
    receiver: Lines<'_>,
) -> Option<String> {
    Some(match method {
        AuthMethod::HmacSha3_512 => {
            let mut mac = SimpleHmac::<Sha3_512>::new_from_slice(secret?.bytes()).ok()?;
            transcript(sender, receiver, |part| mac.update(part));
            hex(&mac.finalize().into_bytes())
        }
        AuthMethod::Cleartext => hex(secret?.bytes()),
        AuthMethod::TlsSha3_512 => {
            let mut hash = Sha3_512::new();
            transcript(sender, receiver, |part| Digest::update(&mut hash, part));
            hex(&hash.finalize())
        }
        AuthMethod::TlsAnon => String::new(),
    })
}

/// Whether two proofs are equal, in constant time. Hashed first, so that not even the length of a cleartext
/// secret shows.
pub(super) fn equal(expected: &[u8], found: &[u8]) -> bool {
    Sha3_512::digest(expected)
        .ct_eq(&Sha3_512::digest(found))
        .into()
}

/// T(a, b) of protocol.md section 2, in pieces.
fn transcript(sender: Lines<'_>, receiver: Lines<'_>, mut update: impl FnMut(&[u8])) {
    for lines in [sender, receiver] {
        for line in [lines.greeting, lines.nonce] {
            update(line);
            update(b"\n");
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    let digits = |&byte: &u8| [digit(byte >> 4), digit(byte)];
    bytes.iter().flat_map(digits).collect()
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
    fn hex_is_lower_case() {
        assert_eq!(hex(b"\x00\xafgeheim"), "00af67656865696d");
    }

    #[test]
    fn proofs_are_equal_only_whole() {
        assert!(equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abcd"));
        assert!(!equal(b"abc", b""));
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
