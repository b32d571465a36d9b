//! The states of an opening: the input of each, the next state, and the error if the opening ends there.

use std::fmt;
use std::time::Duration;

use super::checks::{self, Both, Us};
use super::line::{LineReader, Read};
use super::{AuthMethod, HandshakeError, Line, Peer, Role, Stage};
use crate::Text;

/// The result of consuming input.
#[derive(Debug)]
pub enum Progress<S, T> {
    /// All input was consumed, and the state needs more.
    More(S),
    /// The next state.
    Done(T),
}

/// The result of `receive`: the number of consumed bytes, and the progress.
type Received<S, T> = Result<(usize, Progress<S, T>), HandshakeError>;

/// The first state: our greeting is to be written, and the peer's is awaited.
#[derive(Debug)]
pub struct AwaitGreeting {
    us: Us,
    reader: LineReader,
    received: usize,
    peer: Option<Peer>,
}

impl AwaitGreeting {
    pub(super) fn new(us: Us) -> Self {
        let (reader, received, peer) = (LineReader::default(), 0, None);
        Self {
            us,
            reader,
            received,
            peer,
        }
    }

    /// Takes the place of a recorded node: uses its greeting line instead of ours.
    #[cfg(test)]
    pub(super) fn with_greeting(mut self, line: &str) -> Self {
        self.us.greeting = line.as_bytes().into();
        self
    }

    /// Consumes bytes of the peer, up to the end of its nonce line and not beyond.
    ///
    /// Makes the checks of [protocol.md section 2] in their order, except (4), an existing connection to the same node,
    /// which the driver checks ([`rivals`](super::rivals)). Then it checks role, `peeraddr` and TLS, and chooses the
    /// auth method and framing of our direction.
    ///
    /// # Errors
    /// If a check fails.
    ///
    /// [protocol.md section 2]: crate::protocol#2-opening-a-connection
    pub fn receive(mut self, input: &[u8]) -> Received<Self, Greeted> {
        let mut total = 0;
        loop {
            let expected = match self.peer {
                None => Line::Greeting,
                Some(_) => Line::Nonce,
            };
            let line = match self.reader.read(&input[total..]) {
                Read::More => {
                    self.received += input.len();
                    return Ok((input.len(), Progress::More(self)));
                }
                Read::TooLong(start) => return Err(too_long(expected, &start)),
                Read::Line { used, line } => {
                    total += used;
                    line
                }
            };
            match self.peer.take() {
                None => self.peer = Some(Peer::parse(line)?),
                Some(peer) => {
                    let both = checks::check_greeting(self.us, peer, line)?;
                    return Ok((total, Progress::Done(Greeted::new(both))));
                }
            }
        }
    }

    /// The error for a connection that the peer has closed.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(self.stage())
    }

    /// The error for an opening that has exceeded its deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = self.stage();
        HandshakeError::TimedOut { stage, limit }
    }

    fn stage(&self) -> Stage {
        let received = self.received;
        Stage::Greeting { received }
    }
}

fn too_long(line: Line, start: &[u8]) -> HandshakeError {
    match line == Line::Greeting && !start.starts_with(b"aemp") {
        true => Peer::not_aemp(start),
        false => HandshakeError::LineTooLong { line },
    }
}

/// Both greetings have been exchanged and are compatible. The peer is not verified yet.
#[derive(Debug)]
pub enum Greeted {
    /// The auth lines follow.
    Plain(Ready),
    /// Both ends offer TLS, which starts at the first byte after the nonce lines.
    Tls(AwaitTls),
}

impl Greeted {
    fn new(both: Both) -> Self {
        let role = match both.has_lower_nonce() {
            true => TlsRole::Client,
            false => TlsRole::Server,
        };
        match both.under_tls {
            true => Self::Tls(AwaitTls(Ready(both), role)),
            false => Self::Plain(Ready(both)),
        }
    }

    /// The peer, not verified yet.
    pub fn peer(&self) -> &Peer {
        match self {
            Self::Plain(ready) | Self::Tls(AwaitTls(ready, _)) => ready.peer(),
        }
    }
}

/// Which end of the TLS connection this node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRole {
    /// Our nonce line is lower than the peer's, compared byte by byte.
    Client,
    /// The peer's nonce line is lower.
    Server,
}

/// TLS is to be started. Bytes after the nonce line, which `receive` did not consume, belong to TLS.
#[derive(Debug)]
pub struct AwaitTls(Ready, TlsRole);

impl AwaitTls {
    /// The peer, not verified yet.
    pub fn peer(&self) -> &Peer {
        self.0.peer()
    }

    /// Which end of the TLS connection this node is.
    pub fn role(&self) -> TlsRole {
        self.1
    }

    /// Whether the peer may be anonymous: we accept `tls_anon`, so TLS must not insist on a certificate of the peer.
    pub fn accepts_anonymous(&self) -> bool {
        let both = &self.0.0;
        both.us.accepted.contains(&AuthMethod::TlsAnon)
    }

    /// TLS is established. Read and write through TLS from now on.
    ///
    /// `is_certified` says whether the peer has presented a certificate that is verified. A peer without one can only be
    /// anonymous or prove the secret.
    pub fn secured(mut self, is_certified: bool) -> Ready {
        self.0.0.is_certified = is_certified;
        self.0
    }

    /// The error for a connection that the peer has closed.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(Stage::Tls(self.peer().node().clone()))
    }

    /// The error for an opening that has exceeded its deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = Stage::Tls(self.peer().node().clone());
        HandshakeError::TimedOut { stage, limit }
    }
}

/// The greetings are complete, and the auth lines follow. The driver can wait here until the deadline.
#[derive(Debug)]
pub struct Ready(Both);

impl Ready {
    /// The peer, not verified yet.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Which end of the connection this node is.
    pub fn role(&self) -> Role {
        self.0.us.role
    }

    /// The framing in which this node will send: the first in the peer's list that it can write.
    pub fn sends(&self) -> &str {
        &self.0.framing
    }

    /// The auth method of this node: the first in the peer's list that it can produce.
    pub fn auth_sent(&self) -> AuthMethod {
        self.0.method
    }

    /// Continues with the auth lines. Write the returned bytes: the auth line of a dialer, nothing for an acceptor,
    /// which sends its auth line last.
    pub fn authenticate(self) -> (AwaitAuth, Vec<u8>) {
        let line = match self.role() {
            Role::Dialer => self.0.auth_line(),
            Role::Acceptor if faulty!(ProofUnasked) => self.0.auth_line(),
            Role::Acceptor => Vec::new(),
        };
        let reader = LineReader::default();
        (AwaitAuth(self.0, reader), line)
    }

    /// The error for a connection that the peer has closed.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(Stage::BeforeAuth(self.peer().node().clone()))
    }

    /// The error for an opening that has exceeded its deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = Stage::BeforeAuth(self.peer().node().clone());
        HandshakeError::TimedOut { stage, limit }
    }
}

/// The peer's auth line is awaited.
#[derive(Debug)]
pub struct AwaitAuth(Both, LineReader);

impl AwaitAuth {
    /// The peer, not verified yet.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Which end of the connection this node is.
    pub fn role(&self) -> Role {
        self.0.us.role
    }

    /// Consumes bytes of the peer, up to the end of its auth line and not beyond, and verifies that line.
    ///
    /// # Errors
    /// If the peer is refused.
    pub fn receive(mut self, input: &[u8]) -> Received<Self, Verified> {
        match self.1.read(input) {
            Read::More => Ok((input.len(), Progress::More(self))),
            Read::TooLong(_) => Err(HandshakeError::LineTooLong { line: Line::Auth }),
            Read::Line { used, line } => {
                let (auth_received, receives) = self.0.verify(&line)?;
                let verified = Verified::new(self.0, auth_received, receives);
                Ok((used, Progress::Done(verified)))
            }
        }
    }

    /// The error for a connection that the peer has closed.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(self.stage())
    }

    /// The error for an opening that has exceeded its deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = self.stage();
        HandshakeError::TimedOut { stage, limit }
    }

    fn stage(&self) -> Stage {
        let node = self.peer().node().clone();
        match self.role() {
            _ if self.peer().offers_tls() && !self.0.under_tls => Stage::WithoutTls(node),
            // A Perl node sends its auth line before it has verified ours.
            Role::Dialer if !self.peer().is_perl() => Stage::AuthSent(node),
            Role::Dialer | Role::Acceptor => Stage::BeforeAuth(node),
        }
    }
}

/// The peer is verified. An acceptor can wait here, before it sends its auth line, while it probes an older connection
/// to the same node.
#[derive(Debug)]
pub struct Verified {
    established: Established,
    /// The auth line of an acceptor; empty for a dialer, which has sent its auth line.
    line: Vec<u8>,
}

impl Verified {
    fn new(both: Both, auth_received: AuthMethod, receives: Text) -> Self {
        let role = both.us.role;
        let line = match role {
            Role::Dialer => Vec::new(),
            Role::Acceptor => both.auth_line(),
        };
        let established = Established {
            role,
            under_tls: both.under_tls,
            auth_sent: both.method,
            auth_received,
            sends: both.framing,
            receives,
            offered: both.us.framings(),
            greeting: both.us.greeting,
            peer: both.peer,
        };
        Self { established, line }
    }

    /// The peer, verified.
    pub fn peer(&self) -> &Peer {
        &self.established.peer
    }

    /// Which end of the connection this node is.
    pub fn role(&self) -> Role {
        self.established.role
    }

    /// The connection as it will be when the opening ends.
    pub fn established(&self) -> &Established {
        &self.established
    }

    /// Ends the opening. Write the returned bytes before any message: the auth line of an acceptor, nothing for a
    /// dialer.
    pub fn finish(self) -> (Established, Vec<u8>) {
        (self.established, self.line)
    }

    /// The error for a connection that the peer has closed.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(self.stage())
    }

    /// The error for an opening that has exceeded its deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = self.stage();
        HandshakeError::TimedOut { stage, limit }
    }

    fn stage(&self) -> Stage {
        let node = self.peer().node().clone();
        match self.role() {
            Role::Dialer => Stage::Opened(node),
            Role::Acceptor => Stage::Verified(node),
        }
    }
}

/// The connection is open: messages follow in both directions.
///
/// `Display` shows the codec of each direction and which end has chosen it.
#[derive(Debug)]
pub struct Established {
    peer: Peer,
    role: Role,
    under_tls: bool,
    auth_sent: AuthMethod,
    auth_received: AuthMethod,
    sends: Text,
    receives: Text,
    offered: String,
    greeting: Box<[u8]>,
}

impl Established {
    /// The peer, verified unless it [`is_anonymous`](Self::is_anonymous).
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Which end of the connection this node is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The framing in which this node sends. This node chose it: the first in the peer's list that it can write.
    pub fn sends(&self) -> &str {
        &self.sends
    }

    /// The framing in which the peer sends. The peer chose it from our list.
    pub fn receives(&self) -> &str {
        &self.receives
    }

    /// The auth method of this node.
    pub fn auth_sent(&self) -> AuthMethod {
        self.auth_sent
    }

    /// The auth method of the peer.
    pub fn auth_received(&self) -> AuthMethod {
        self.auth_received
    }

    /// Whether the peer is anonymous: it gave no proof (`tls_anon`).
    pub fn is_anonymous(&self) -> bool {
        self.auth_received == AuthMethod::TlsAnon
    }

    /// Whether the connection uses TLS.
    pub fn under_tls(&self) -> bool {
        self.under_tls
    }

    /// Our greeting line, without its terminator. The peer's is [`Peer::line`].
    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }

    /// The error for a connection that the peer has closed before its first message: it refused our auth line.
    pub fn on_early_eof(&self) -> HandshakeError {
        HandshakeError::Closed(Stage::Opened(self.peer.node().clone()))
    }
}

impl fmt::Display for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sends,
            receives,
            offered,
            ..
        } = self;
        let (node, theirs) = (self.peer.node(), self.peer.framings_excerpt());
        write!(
            f,
            "to {node}: {sends}, chosen by us from its list {theirs}; \
             from {node}: {receives}, chosen by it from our list {offered}"
        )
    }
}
