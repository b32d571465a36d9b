//! The states of an opening: what each takes in, what it leads to, and what it means when it ends there.

use std::fmt;
use std::time::Duration;

use super::checks::{self, Both, Us};
use super::line::{LineReader, Read};
use super::{AuthMethod, HandshakeError, Line, Peer, Role, Stage};
use crate::Text;

/// What a piece of input led to.
#[derive(Debug)]
pub enum Progress<S, T> {
    /// All of it was used; the state needs more.
    More(S),
    /// The next state.
    Done(T),
}

/// What `receive` returns: how many bytes of the input were used, and what that led to.
type Received<S, T> = Result<(usize, Progress<S, T>), HandshakeError>;

/// First state: our greeting is on its way, the peer's is awaited.
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

    /// In the place of a recorded node: with its greeting line instead of ours.
    #[cfg(test)]
    pub(super) fn with_greeting(mut self, line: &str) -> Self {
        self.us.greeting = line.as_bytes().into();
        self
    }

    /// Takes bytes from the peer, up to the end of its nonce line and not beyond.
    ///
    /// Makes the checks of protocol.md section 2 in its order, but for (4), an existing connection to the same
    /// node, which is the driver's ([`rivals`](super::rivals)). Then role, `peeraddr`, TLS, and the choice of
    /// auth method and framing for our direction.
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
                    let both = checks::greet(self.us, peer, line)?;
                    return Ok((total, Progress::Done(Greeted::new(both))));
                }
            }
        }
    }

    /// The error for the end of the peer's stream.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(self.stage())
    }

    /// The error for the passing of the deadline, which was `limit` for the whole opening.
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

/// Both greetings are there and fit each other. Nothing is proved yet.
#[derive(Debug)]
pub enum Greeted {
    /// The auth lines come next.
    Plain(Ready),
    /// Both ends want TLS, which starts at the first byte after the nonce lines.
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

    /// What the peer says of itself.
    pub fn peer(&self) -> &Peer {
        match self {
            Self::Plain(ready) | Self::Tls(AwaitTls(ready, _)) => ready.peer(),
        }
    }
}

/// Which end of the TLS connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRole {
    /// Our nonce line is the lower one, compared byte by byte.
    Client,
    /// The peer's is.
    Server,
}

/// TLS comes next. The bytes of the nonce lines' packet that `receive` did not use belong to it.
#[derive(Debug)]
pub struct AwaitTls(Ready, TlsRole);

impl AwaitTls {
    /// What the peer says of itself.
    pub fn peer(&self) -> &Peer {
        self.0.peer()
    }

    /// Which end of the TLS connection we are.
    pub fn role(&self) -> TlsRole {
        self.1
    }

    /// TLS is up, with both certificates verified. What is read and written from now on goes through it.
    pub fn secured(self) -> Ready {
        self.0
    }

    /// The error for the end of the peer's stream.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(Stage::Tls(self.peer().node().clone()))
    }

    /// The error for the passing of the deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = Stage::Tls(self.peer().node().clone());
        HandshakeError::TimedOut { stage, limit }
    }
}

/// The peer can be looked at, and the auth lines come next. The driver may wait here as long as it likes.
#[derive(Debug)]
pub struct Ready(Both);

impl Ready {
    /// What the peer says of itself.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Which end we are.
    pub fn role(&self) -> Role {
        self.0.us.role
    }

    /// The framing in which we will send: the first of the peer's list that we can write.
    pub fn sends(&self) -> &str {
        &self.0.framing
    }

    /// The method by which we will prove ourselves: the first of the peer's list that we can produce.
    pub fn auth_sent(&self) -> AuthMethod {
        self.0.method
    }

    /// Goes on to the auth lines. Write the returned bytes: a dialler's auth line, nothing for an acceptor, who
    /// speaks last.
    pub fn authenticate(self) -> (AwaitAuth, Vec<u8>) {
        let line = match self.role() {
            Role::Dialler => self.0.auth_line(),
            Role::Acceptor => Vec::new(),
        };
        let reader = LineReader::default();
        (AwaitAuth(self.0, reader), line)
    }

    /// The error for the end of the peer's stream.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(Stage::BeforeAuth(self.peer().node().clone()))
    }

    /// The error for the passing of the deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = Stage::BeforeAuth(self.peer().node().clone());
        HandshakeError::TimedOut { stage, limit }
    }
}

/// The peer's auth line is awaited.
#[derive(Debug)]
pub struct AwaitAuth(Both, LineReader);

impl AwaitAuth {
    /// What the peer says of itself.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Which end we are.
    pub fn role(&self) -> Role {
        self.0.us.role
    }

    /// Takes bytes from the peer, up to the end of its auth line and not beyond, and verifies that line.
    pub fn receive(mut self, input: &[u8]) -> Received<Self, Verified> {
        match self.1.read(input) {
            Read::More => Ok((input.len(), Progress::More(self))),
            Read::TooLong(_) => Err(HandshakeError::LineTooLong { line: Line::Auth }),
            Read::Line { used, line } => {
                let (auth_received, receives) = self.0.verify(&line)?;
                let verified = Verified {
                    both: self.0,
                    auth_received,
                    receives,
                };
                Ok((used, Progress::Done(verified)))
            }
        }
    }

    /// The error for the end of the peer's stream.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(self.stage())
    }

    /// The error for the passing of the deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = self.stage();
        HandshakeError::TimedOut { stage, limit }
    }

    fn stage(&self) -> Stage {
        let node = self.peer().node().clone();
        match self.role() {
            // A Perl node sends its auth line as soon as it likes our greeting, whatever it says of ours.
            Role::Dialler if !self.peer().is_perl() => Stage::AuthSent(node),
            Role::Dialler | Role::Acceptor => Stage::BeforeAuth(node),
        }
    }
}

/// The peer has proved itself. An acceptor may wait here, before its own auth line, while it probes an older
/// connection to the same node.
#[derive(Debug)]
pub struct Verified {
    both: Both,
    auth_received: AuthMethod,
    receives: Text,
}

impl Verified {
    /// The peer, proved.
    pub fn peer(&self) -> &Peer {
        &self.both.peer
    }

    /// Which end we are.
    pub fn role(&self) -> Role {
        self.both.us.role
    }

    /// Ends the opening. Write the returned bytes, before any message: an acceptor's auth line, nothing for a
    /// dialler, whose line is out already.
    pub fn finish(self) -> (Established, Vec<u8>) {
        let line = match self.role() {
            Role::Dialler => Vec::new(),
            Role::Acceptor => self.both.auth_line(),
        };
        let established = Established {
            role: self.role(),
            under_tls: self.both.under_tls,
            auth_sent: self.both.method,
            auth_received: self.auth_received,
            sends: self.both.framing,
            receives: self.receives,
            offered: self.both.us.framings(),
            greeting: self.both.us.greeting,
            peer: self.both.peer,
        };
        (established, line)
    }

    /// The error for the end of the peer's stream.
    pub fn on_eof(self) -> HandshakeError {
        HandshakeError::Closed(self.stage())
    }

    /// The error for the passing of the deadline, which was `limit` for the whole opening.
    pub fn on_deadline(self, limit: Duration) -> HandshakeError {
        let stage = self.stage();
        HandshakeError::TimedOut { stage, limit }
    }

    fn stage(&self) -> Stage {
        let node = self.peer().node().clone();
        match self.role() {
            Role::Dialler => Stage::Opened(node),
            Role::Acceptor => Stage::Verified(node),
        }
    }
}

/// The connection is open: messages follow, both ways.
///
/// Printed, it tells the codec of each direction and who chose it.
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
    /// The peer, proved (unless it [`is_anonymous`](Self::is_anonymous)).
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Which end we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The framing in which we send. We chose it: the first of the peer's list that we can write.
    pub fn sends(&self) -> &str {
        &self.sends
    }

    /// The framing in which the peer sends. It chose it, from our list.
    pub fn receives(&self) -> &str {
        &self.receives
    }

    /// How we proved ourselves.
    pub fn auth_sent(&self) -> AuthMethod {
        self.auth_sent
    }

    /// How the peer proved itself.
    pub fn auth_received(&self) -> AuthMethod {
        self.auth_received
    }

    /// Whether the peer proved nothing (`tls_anon`).
    pub fn is_anonymous(&self) -> bool {
        self.auth_received == AuthMethod::TlsAnon
    }

    /// Whether the connection is under TLS.
    pub fn under_tls(&self) -> bool {
        self.under_tls
    }

    /// Our greeting line, without its ending. The peer's is its [`line`](Peer::line).
    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }

    /// The error for the end of the peer's stream before its first message: it refused our auth line.
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
