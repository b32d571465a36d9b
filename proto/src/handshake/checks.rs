//! The checks and choices of an opening, and its auth lines (protocol.md section 2).

use std::net::SocketAddr;
use std::sync::Arc;

use super::auth::{self, Lines};
use super::error::excerpt;
use super::greeting::{canonical, join};
use super::{AuthMethod, HandshakeError, Peer, Role, Secret, Settings, Tls};
use crate::{NodeId, Text};

/// The beginning of the node ID of an anonymous peer, so that it does not take the place of a member.
pub(super) const ANONYMOUS: &str = "anonymous/";

/// This node's side of an opening.
#[derive(Debug)]
pub(super) struct Us {
    pub(super) greeting: Box<[u8]>,
    pub(super) nonce: Box<[u8]>,
    pub(super) role: Role,
    pub(super) local: Option<SocketAddr>,
    pub(super) accepted: Vec<AuthMethod>,
    pub(super) producible: Vec<AuthMethod>,
    pub(super) settings: Arc<Settings>,
}

impl Us {
    fn lines(&self) -> Lines<'_> {
        Lines {
            greeting: &self.greeting,
            nonce: &self.nonce,
        }
    }

    /// Our list of framings, for errors.
    pub(super) fn framings(&self) -> String {
        format!(
            "{:?}",
            join(self.settings.framings.iter().map(Text::as_str))
        )
    }

    /// Whether `seen`, our address as the peer sees it, is one of our addresses besides that of the connection.
    fn has_address(&self, seen: SocketAddr) -> bool {
        let own = &self.settings.own_addresses;
        let mut own = own.iter().copied().map(canonical);
        match self.role {
            Role::Acceptor => own.any(|own| own == seen),
            Role::Dialer => own.any(|own| own.ip() == seen.ip()),
        }
    }

    /// The methods that our greeting offers to the peer and that are valid with or without TLS.
    fn accepts(&self, under_tls: bool) -> impl Iterator<Item = AuthMethod> {
        let accepted = self.accepted.iter().copied();
        accepted.filter(move |method| under_tls || !method.needs_tls())
    }
}

/// Both sides of an opening, after both greetings.
#[derive(Debug)]
pub(super) struct Both {
    pub(super) us: Us,
    pub(super) peer: Peer,
    /// The peer's nonce line.
    nonce: Box<[u8]>,
    pub(super) under_tls: bool,
    /// Whether TLS has verified a certificate of the peer. Without one `tls_sha3_512` proves nothing.
    pub(super) is_certified: bool,
    /// The method in our auth line.
    pub(super) method: AuthMethod,
    /// The framing in our auth line, in which we send.
    pub(super) framing: Text,
    /// The secret of our auth line: the peer's, once it has proved itself with one.
    secret: Option<Secret>,
}

/// Checks the peer's greeting and nonce, and chooses the auth method and framing of our auth line.
pub(super) fn check_greeting(us: Us, peer: Peer, nonce: Box<[u8]>) -> Result<Both, HandshakeError> {
    let node = || peer.node().clone();
    // Check 5 comes before check 3: a peer that echoes both our lines also has our node ID, and check 3 would report
    // that instead. A peer that echoes the nonce only is treated as an attacker as well.
    if nonce == us.nonce && !faulty!(OwnLinesUnchecked) {
        return Err(HandshakeError::Echo);
    }
    if *peer.node() == us.settings.node && !faulty!(OwnLinesUnchecked) {
        let node = node();
        return Err(HandshakeError::Myself { node, nonce });
    }
    peer.check_role(us.role)?;
    if let (Some(local), true) = (us.local, us.settings.check_peeraddr) {
        peer.check_address(local, |seen| us.has_address(seen))?;
    }
    let under_tls = us.settings.tls != Tls::Off && peer.offers_tls();
    if us.settings.tls == Tls::Required && !under_tls && !faulty!(TlsOptional) {
        return Err(HandshakeError::TlsMissing { node: node() });
    }
    let method = choose_method(&us, &peer, under_tls)?;
    let framing = choose_framing(&us, &peer)?;
    let secret = us.settings.secret.clone();
    Ok(Both {
        us,
        peer,
        nonce,
        under_tls,
        is_certified: false,
        method,
        framing,
        secret,
    })
}

/// The first method in the peer's list that this node can produce.
fn choose_method(us: &Us, peer: &Peer, under_tls: bool) -> Result<AuthMethod, HandshakeError> {
    let usable = |method: &AuthMethod| under_tls || !method.needs_tls();
    let mut known = peer.auths().filter_map(AuthMethod::from_name);
    let chosen = known.find(|method| usable(method) && us.producible.contains(method));
    chosen.ok_or_else(|| {
        let ours = us.producible.iter().filter(|method| usable(method));
        HandshakeError::NoCommonAuth {
            node: peer.node().clone(),
            theirs: peer.auths_excerpt(),
            ours: format!("{:?}", join(ours.map(|method| method.name()))),
            hint: match us.settings.secret {
                None => " (it has no secret)",
                Some(_) => "",
            },
        }
    })
}

/// What stands instead of a method, for an error: a secret in the wrong field must not be shown. Secrets have 16 bytes or
/// more.
fn method_excerpt(name: &[u8]) -> String {
    let is_like = [&b"hmac_"[..], b"tls_", b"cleartext"];
    match name.len() < 16 || is_like.iter().any(|start| name.starts_with(start)) {
        true => excerpt(name),
        false => String::from("something that is no method"),
    }
}

/// The first framing in the peer's list that this node can write.
fn choose_framing(us: &Us, peer: &Peer) -> Result<Text, HandshakeError> {
    let ours = &us.settings.framings;
    let known = |theirs| ours.iter().find(|name| name.as_str() == theirs);
    let chosen = peer.framings().find_map(known).cloned();
    chosen.ok_or_else(|| HandshakeError::NoCommonFraming {
        node: peer.node().clone(),
        theirs: peer.framings_excerpt(),
        ours: us.framings(),
    })
}

impl Both {
    fn node(&self) -> NodeId {
        self.peer.node().clone()
    }

    fn theirs(&self) -> Lines<'_> {
        Lines {
            greeting: self.peer.line(),
            nonce: &self.nonce,
        }
    }

    /// Whether our nonce line is the lower one.
    pub(super) fn has_lower_nonce(&self) -> bool {
        self.us.nonce < self.nonce
    }

    /// Our auth line, with its terminator.
    pub(super) fn auth_line(&self) -> Vec<u8> {
        let secret = self.secret.as_ref();
        let proof = auth::proof(self.method, secret, self.us.lines(), self.theirs());
        // Not reached without a secret: such a method is not chosen. An empty proof would not be accepted.
        let proof = proof.unwrap_or_default();
        format!("{};{};{}\n", self.method, *proof, self.framing).into_bytes()
    }

    /// Verifies the peer's auth line: the method was offered, the proof is right, the framing was offered. The proof of
    /// `tls_sha3_512` is the certificate: what the auth line adds, anyone can compute.
    pub(super) fn verify(&mut self, line: &[u8]) -> Result<(AuthMethod, Text), HandshakeError> {
        let node = || self.node();
        let fields: Vec<&[u8]> = line.splitn(4, |&byte| byte == b';').collect();
        let [name, data, framing, ..] = fields[..] else {
            let found = fields.len();
            return Err(HandshakeError::AuthFields {
                node: node(),
                found,
            });
        };
        let named = |method: &AuthMethod| method.name().as_bytes() == name;
        let method = match faulty!(MethodUnchecked) {
            true => AuthMethod::ALL.into_iter().find(named),
            false => self.us.accepts(self.under_tls).find(named),
        };
        let Some(method) = method else {
            return Err(HandshakeError::AuthNotOffered {
                node: node(),
                found: method_excerpt(name),
                offered: format!(
                    "{:?}",
                    join(self.us.accepts(self.under_tls).map(AuthMethod::name))
                ),
            });
        };
        if method == AuthMethod::TlsAnon && !self.peer.node().as_str().starts_with(ANONYMOUS) {
            return Err(HandshakeError::AnonymousName { node: node() });
        }
        // The proof of the secret is for nobody who proves nothing: secrets could be tried on it.
        if method == AuthMethod::TlsAnon && self.method.needs_secret() {
            return Err(HandshakeError::SecretForAnonymous {
                node: node(),
                method: self.method,
            });
        }
        let is_certified = self.is_certified || faulty!(CertificateUnneeded);
        if method == AuthMethod::TlsSha3_512 && !is_certified {
            return Err(HandshakeError::NoCertificate {
                node: node(),
                method,
            });
        }
        if !data
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(HandshakeError::ProofForm {
                node: node(),
                method,
            });
        }
        let Some(secret) = self.proved(method, data) else {
            return Err(HandshakeError::ProofWrong {
                node: node(),
                method,
            });
        };
        let node = self.node();
        self.secret = secret;
        let ours = &self.us.settings.framings;
        let named = |name: &&Text| name.as_bytes() == framing || faulty!(FramingUnchecked);
        match ours.iter().find(named) {
            Some(framing) => Ok((method, framing.clone())),
            None => Err(HandshakeError::FramingNotOffered {
                node,
                found: excerpt(framing),
                offered: self.us.framings(),
            }),
        }
    }

    /// The secret with which `data` proves the peer, and that of this node if the method needs none. `None`: it proves
    /// nothing. All secrets are compared, whichever it is.
    fn proved(&self, method: AuthMethod, data: &[u8]) -> Option<Option<Secret>> {
        let Settings {
            secret,
            secret_accept,
            ..
        } = &*self.us.settings;
        let others = secret_accept.iter().filter(|_| method.needs_secret());
        let mut proved = None;
        for secret in [secret.as_ref()].into_iter().chain(others.map(Some)) {
            let expected = auth::proof(method, secret, self.theirs(), self.us.lines());
            let is_equal = expected
                .is_some_and(|expected| auth::equal_in_constant_time(expected.as_bytes(), data));
            if is_equal {
                proved = proved.or(Some(secret.cloned()));
            }
        }
        proved
    }
}
