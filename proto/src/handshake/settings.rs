//! `Settings`, which are the same for all openings of a node, and `Opening`, one opening with its role, nonce and
//! addresses.

use std::net::SocketAddr;
use std::sync::Arc;

use super::checks::Us;
use super::{AuthMethod, AwaitGreeting, HandshakeError, MAX_LINE, Secret, greeting};
use crate::text::hex;
use crate::{NodeId, Text};

/// The settings of all openings of a node (protocol.md sections 2 and 9). The defaults of [`Settings::new`] are secure.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Our node ID.
    pub node: NodeId,
    /// Our program and its version. It must not begin with `AE-`, which peers take for AnyEvent::MP.
    pub provider: Text,
    /// The shared secret. Without one, `hmac_sha3_512` and `cleartext` are neither accepted nor produced.
    pub secret: Option<Secret>,
    /// Further secrets that are accepted while the secret of a network is exchanged. A dialer proves itself with
    /// [`secret`](Self::secret); an acceptor with the one with which the dialer has proved itself, so that a node that
    /// has only one of the secrets can connect. Empty by default.
    pub secret_accept: Vec<Secret>,
    /// The auth methods that we accept, best first. `cleartext` also needs [`Opening::cleartext`]; `tls_anon` is accepted
    /// from peers that have dialled this node, never from a node that it has dialled.
    pub auth_accept: Vec<AuthMethod>,
    /// The auth methods that we produce. The peer's order decides among them.
    pub auth_offer: Vec<AuthMethod>,
    /// The names of our codecs, best first. Empty by default; an opening needs at least one.
    pub framings: Vec<Text>,
    /// Whether to use TLS. Off by default.
    pub tls: Tls,
    /// Whether the peer's `peeraddr` must be our own address. Switch it off only behind NAT whose outside address is not
    /// known.
    pub check_peeraddr: bool,
    /// Whether we read the trace contexts that precede messages: the greeting key `trace`. Off by default.
    pub reads_traces: bool,
    /// Addresses outside of an address translation that are our own in the check of `peeraddr`, besides that of the
    /// connection. A peer that we have accepted must have dialled one of them. A peer that we have dialled must see one of
    /// their IP addresses, at any port: the translator chooses the port of a connection from within. Empty by default.
    pub own_addresses: Vec<SocketAddr>,
}

impl Settings {
    /// The default settings for `node`.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            provider: Text::from_static(concat!("aemp-", env!("CARGO_PKG_VERSION"))),
            secret: None,
            secret_accept: Vec::new(),
            auth_accept: AuthMethod::DEFAULT.to_vec(),
            auth_offer: AuthMethod::DEFAULT.to_vec(),
            framings: Vec::new(),
            tls: Tls::Off,
            check_peeraddr: true,
            reads_traces: false,
            own_addresses: Vec::new(),
        }
    }
}

/// Whether a node offers TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// The node has no certificate, and its greeting has no key `tls`.
    Off,
    /// The node has a certificate, and continues without TLS if the peer does not offer it (`tls_fallback`).
    Fallback,
    /// The node has a certificate, and refuses peers that do not offer TLS.
    Required,
}

/// Which end of a connection a node is: the greeting key `role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The node dialled (`role=d`).
    Dialer,
    /// The node accepted (`role=a`).
    Acceptor,
}

impl Role {
    /// The value of the greeting key.
    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Dialer => "d",
            Self::Acceptor => "a",
        }
    }

    /// The role as a verb, for errors.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Dialer => "dialled",
            Self::Acceptor => "accepted",
        }
    }
}

/// The unpredictable second line of a greeting. Use each nonce for one connection only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Box<[u8]>);

impl Nonce {
    /// A nonce from 32 random bytes of the operating system, sent as 64 hexadecimal digits.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(hex(&bytes).into_bytes().into())
    }

    /// The nonce line, as in [`HandshakeError::Myself`].
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A connection that is about to be opened. [`Opening::start`] makes the greeting.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opening {
    /// The settings of the node.
    pub settings: Arc<Settings>,
    /// Which end this node is.
    pub role: Role,
    /// Our nonce line.
    pub nonce: Nonce,
    /// The local address of this connection. `None` skips the check of the peer's `peeraddr`.
    pub local: Option<SocketAddr>,
    /// The remote address of this connection, which is sent as `peeraddr`. `None` sends no `peeraddr`.
    pub peer: Option<SocketAddr>,
    /// Whether `cleartext` is allowed on this connection, which must be a loopback or TLS one. Off by default.
    pub cleartext: bool,
}

impl Opening {
    /// An opening over a stream without socket addresses and without `cleartext`. Set the fields for more.
    pub fn new(settings: Arc<Settings>, role: Role, nonce: Nonce) -> Self {
        Self {
            settings,
            role,
            nonce,
            local: None,
            peer: None,
            cleartext: false,
        }
    }

    /// Starts the opening. Returns the first state, and the two lines to write at once.
    ///
    /// # Errors
    /// [`HandshakeError::Settings`] if the settings do not make a valid greeting or leave no auth method.
    pub fn start(self) -> Result<(AwaitGreeting, Vec<u8>), HandshakeError> {
        let mut accepted = self.usable(&self.settings.auth_accept);
        if self.role == Role::Dialer {
            // Whoever answers at an address could pass for the node that was meant.
            accepted.retain(|method| *method != AuthMethod::TlsAnon);
        }
        let producible = self.usable(&self.settings.auth_offer);
        self.check(&accepted)?;
        let greeting = greeting::write(&self, &accepted);
        if greeting.len() >= MAX_LINE {
            let why = format!(
                "the greeting would have {} bytes, over {MAX_LINE}: offer fewer codecs, shorten their names",
                greeting.len() + 1
            );
            return Err(HandshakeError::Settings(why));
        }
        let written = [&greeting[..], b"\n", &self.nonce.0, b"\n"].concat();
        let us = Us {
            greeting: greeting.into(),
            nonce: self.nonce.0,
            role: self.role,
            local: self.local.map(greeting::canonical),
            accepted,
            producible,
            settings: self.settings,
        };
        Ok((AwaitGreeting::new(us), written))
    }

    /// The methods that are possible on this connection.
    fn usable(&self, methods: &[AuthMethod]) -> Vec<AuthMethod> {
        let settings = &self.settings;
        let usable = |method: &AuthMethod| {
            (!method.needs_secret() || settings.secret.is_some())
                && (!method.needs_tls() || settings.tls != Tls::Off)
                && (*method != AuthMethod::Cleartext || self.cleartext)
        };
        methods.iter().copied().filter(usable).collect()
    }

    fn check(&self, accepted: &[AuthMethod]) -> Result<(), HandshakeError> {
        let settings = &self.settings;
        let wrong = |why: String| Err(HandshakeError::Settings(why));
        if accepted.is_empty() {
            return wrong(match settings.secret {
                None => "this node has no secret: set the one that all nodes share".into(),
                Some(_) => "no auth method is accepted here: see auth_accept".into(),
            });
        }
        if settings.framings.is_empty() {
            return wrong("this node has no codec".into());
        }
        let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ';' | ',');
        let bad = |name: &&Text| name.is_empty() || name.contains(breaks);
        if let Some(name) = settings.framings.iter().find(bad) {
            let name = name.as_str();
            return wrong(format!(
                "the codec name {name:?} is empty or has white space, a control character, or one of ; ,"
            ));
        }
        if settings.provider.contains(char::is_control) {
            return wrong("the provider has a control character".into());
        }
        Ok(())
    }
}

#[cfg(test)]
impl Nonce {
    /// The nonce line of a recorded session.
    pub(super) fn recorded(line: &str) -> Self {
        Self(line.as_bytes().into())
    }
}
