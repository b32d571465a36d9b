//! Drives the opening of one connection: the handshake machine, the stream, the deadline, and the admission of one of
//! several connections to the same node.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aemp_proto::faulty;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Links;
use super::backlog::Slot;
use crate::deadline::Deadline;
use crate::error::ConnectError;
use crate::handshake::{
    AuthMethod, AwaitGreeting, AwaitTls, Awaiting, Established, Greeted, HandshakeError, Nonce,
    Opening, Progress, Ready, Role, Settings, Tls,
};
use crate::peer::{self, Peer, Stage};
use crate::policy::Action;
use crate::transport::{Prefixed, Secure, SecureConfig, Stream, TlsInfo};
use crate::{ConnectionInfo, NodeId};

/// Bytes read at a time before the peer is authenticated.
const READ_SIZE: usize = 4096;

/// Bytes buffered at most while an opening waits for its admission.
const MAX_BUFFERED: usize = 12 << 10;

/// A connection whose opening is complete.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Stream>,
    pub(super) established: Established,
    pub(super) info: ConnectionInfo,
    pub(super) peer: Arc<Peer>,
    /// The bytes after the peer's auth line: the beginning of its messages.
    pub(super) rest: BytesMut,
    /// Holds back other openings to the same node until the link is up.
    pub(super) opening: peer::Opening,
    /// The permit of an accepted connection.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// The role of this node in an opening, with the data of that role.
pub(super) enum Side<'a> {
    /// It dialled.
    Dialer {
        /// The node that has to answer.
        expected: Option<&'a NodeId>,
        /// Set to the node that answers, even if the opening fails later.
        found: &'a mut Option<Arc<Peer>>,
    },
    /// It accepted the connection, which occupies a slot of the backlog.
    Acceptor(&'a Slot),
}

impl Side<'_> {
    fn role(&self) -> Role {
        match self {
            Self::Dialer { .. } => Role::Dialer,
            Self::Acceptor(_) => Role::Acceptor,
        }
    }
}

/// Opens a connection over the new `stream`.
pub(super) async fn open(
    links: &Arc<Links>,
    stream: Box<dyn Stream>,
    side: Side<'_>,
) -> Result<Opened, ConnectError> {
    let limit = links.network.config.opening_timeout;
    let mut stream = OpeningStream {
        stream,
        buffer: BytesMut::new(),
        tls: None,
        limit,
        deadline: Deadline::after(limit),
    };

    let nonce = Nonce::new(links.entropy.bytes());
    let role = side.role();
    links.nonces.remember(nonce.clone(), role);
    let (state, greeting) = start(links, &stream, role, nonce)?;
    stream.write(&greeting).await?;
    let greeted = stream.drive(state).await.map_err(|error| match error {
        ConnectError::Handshake(HandshakeError::Myself {
            node: id, nonce, ..
        }) if links.nonces.role(&nonce).is_none() => ConnectError::IdTaken { node: id },
        error => error,
    })?;
    let ready = match greeted {
        Greeted::Plain(ready) => ready,
        Greeted::Tls(await_tls) => {
            let (secured, ready) = stream.secure(links.tls.as_deref(), await_tls).await?;
            stream = secured;
            ready
        }
    };
    let id = ready.peer().node().clone();
    let mut opening = None;
    let mut slot = None;
    if faulty!(UnprovedHolds) && role == Role::Acceptor {
        let peer = links.network.peer(&id);
        opening = Some(peer.opening(role, ready.peer().says_role()));
    }
    match side {
        Side::Acceptor(occupied) => slot = Some(occupied),
        Side::Dialer {
            expected: Some(expected),
            ..
        } if *expected != id => {
            return Err(ConnectError::WrongNode {
                expected: expected.clone(),
                found: id,
            });
        }
        Side::Dialer { found, .. } => {
            let peer = links.network.peer(&id);
            *found = Some(peer.clone());
            let registered = peer.opening(role, ready.peer().says_role());
            match stream.wait_for(registered.permit(Stage::AuthSent)).await {
                Admission::Granted(granted) => granted?,
                Admission::Closed => return Err(ready.on_eof().into()),
                Admission::TimedOut => return Err(ready.on_deadline(limit).into()),
            }
            opening = Some(registered);
        }
    }
    let (state, line) = ready.authenticate();
    stream.write(&line).await?;
    let verified = stream.drive(state).await?;
    let mut permit = None;
    if let Some(slot) = slot {
        slot.release();
        let acquired = links.accepted.clone().try_acquire_owned();
        permit = Some(acquired.map_err(|_| {
            let limit = links.network.config.max_accepted_connections;
            ConnectError::Busy {
                what: format!("{:?} is refused: this node has no more than {limit} connections that others have opened", id.as_str()),
                key: "max_accepted_connections",
            }
        })?);
    }
    // Before an older connection of this node ID is probed and perhaps ended.
    let tls = stream.tls.as_ref().map(|(_, tls)| tls.clone());
    let info = ConnectionInfo::new(verified.established(), stream.stream.peer(), tls);
    if !links.permits(&info, &Action::Connect) {
        return Err(ConnectError::NotPermitted { node: id });
    }
    let peer = links.network.peer(&id);
    let opening = opening.unwrap_or_else(|| peer.opening(role, verified.peer().says_role()));
    match stream.wait_for(opening.permit(Stage::Completing)).await {
        Admission::Granted(granted) => granted?,
        Admission::Closed => return Err(verified.on_eof().into()),
        Admission::TimedOut => return Err(verified.on_deadline(limit).into()),
    }
    let (established, line) = verified.finish();
    stream.write(&line).await?;
    Ok(Opened {
        stream: stream.stream,
        established,
        info,
        peer,
        rest: stream.buffer,
        opening,
        permit,
    })
}

fn start(
    links: &Links,
    stream: &OpeningStream,
    role: Role,
    nonce: Nonce,
) -> Result<(AwaitGreeting, Vec<u8>), HandshakeError> {
    let mut opening = Opening::new(links.settings.clone(), role, nonce);
    opening.local = stream.stream.local();
    opening.peer = stream.stream.peer();
    let loopback = opening
        .peer
        .is_some_and(|address| address.ip().to_canonical().is_loopback());
    // Where TLS is required no auth line is sent without it.
    let is_private = loopback || links.settings.tls == Tls::Required || faulty!(CleartextAnywhere);
    let has_permit = links.cleartext.has_permit(Instant::now()) || faulty!(GuessesUnlimited);
    opening.cleartext = links.network.config.cleartext && is_private && has_permit;
    opening.start()
}

/// The handshake settings of every opening.
pub(crate) fn settings(
    node: NodeId,
    secret: Option<crate::handshake::Secret>,
    config: &crate::Config,
    codecs: &crate::codec::Codecs,
    has_tls: bool,
) -> Settings {
    let mut settings = Settings::new(node);
    settings.secret = secret;
    settings.framings = codecs.names().map(crate::Text::from).collect();
    settings.check_peeraddr = config.check_peeraddr;
    settings.own_addresses.clone_from(&config.own_addresses);
    settings.tls = match (has_tls, config.tls_fallback) {
        (false, _) => Tls::Off,
        (true, true) => Tls::Fallback,
        (true, false) => Tls::Required,
    };
    settings.auth_offer.clone_from(&config.auth_offer);
    settings.auth_accept.clone_from(&config.auth_accept);
    if config.cleartext && !settings.auth_accept.contains(&AuthMethod::Cleartext) {
        settings.auth_accept.push(AuthMethod::Cleartext);
    }
    settings
}

/// The stream during the opening, with the bytes that were read and not consumed.
struct OpeningStream {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    /// The peer and the properties of TLS, if the stream is encrypted.
    tls: Option<(NodeId, TlsInfo)>,
    limit: Duration,
    deadline: Deadline,
}

/// The outcome of waiting for the admission.
enum Admission<P> {
    Granted(P),
    Closed,
    TimedOut,
}

impl OpeningStream {
    /// Replaces the stream by a secured one. The bytes after the peer's nonce line belong to TLS.
    async fn secure(
        mut self,
        tls: Option<&dyn Secure>,
        state: AwaitTls,
    ) -> Result<(Self, Ready), ConnectError> {
        // Cannot happen: without TLS the greeting does not offer it.
        let Some(tls) = tls else {
            return Err(state.on_eof().into());
        };
        let node = state.peer().node().clone();
        let mut options = SecureConfig::new(state.role());
        options.certificate_required = !state.accepts_anonymous();
        let glued = match faulty!(GluedKept) {
            true => BytesMut::new(),
            false => self.buffer.split(),
        };
        let stream = Prefixed::boxed(glued, self.stream);
        let secured = tls.secure(stream, options);
        match self.deadline.timeout(secured).await {
            Some(Ok(secured)) => {
                self.stream = secured.stream;
                let is_certified = secured.tls.certificate.is_some();
                self.tls = Some((node, secured.tls));
                Ok((self, state.secured(is_certified)))
            }
            Some(Err(error)) if is_end(&error) => Err(state.on_eof().into()),
            Some(Err(error)) => Err(tls_failed(node, error)),
            None => Err(state.on_deadline(self.limit).into()),
        }
    }

    /// The error of the stream: of TLS, if that is in use.
    fn failed(&self, error: io::Error) -> ConnectError {
        match self.tls.clone() {
            Some((node, _)) => tls_failed(node, error),
            None => ConnectError::Broken(error.into()),
        }
    }

    /// Reads until `state` has made its transition.
    async fn drive<S: Awaiting>(&mut self, mut state: S) -> Result<S::Next, ConnectError> {
        loop {
            let (used, progress) = state.receive(&self.buffer)?;
            self.buffer.advance(used);
            state = match progress {
                Progress::Done(next) => return Ok(next),
                Progress::More(state) => state,
            };
            if faulty!(DeadlineRestarts) {
                self.deadline = Deadline::after(self.limit);
            }
            self.buffer.reserve(READ_SIZE);
            let read = self.stream.read_buf(&mut self.buffer);
            match self.deadline.timeout(read).await {
                Some(Ok(0)) => return Err(state.on_eof().into()),
                Some(Ok(_)) => {}
                Some(Err(error)) if is_end(&error) => return Err(state.on_eof().into()),
                Some(Err(error)) => return Err(self.failed(error)),
                None => return Err(state.on_deadline(self.limit).into()),
            }
        }
    }

    /// Waits for `permission`, and reads meanwhile, to detect a close by the peer. The bytes are buffered, up to a limit.
    async fn wait_for<P>(&mut self, permission: impl Future<Output = P>) -> Admission<P> {
        tokio::pin!(permission);
        loop {
            let full = self.buffer.len() >= MAX_BUFFERED;
            self.buffer.reserve(READ_SIZE);
            tokio::select! {
                // Permission first: a peer may send all its messages and close its direction at once.
                biased;
                granted = &mut permission => return Admission::Granted(granted),
                read = self.stream.read_buf(&mut self.buffer), if !full => match read {
                    Ok(0) | Err(_) => return Admission::Closed,
                    Ok(_) => {}
                },
                () = self.deadline.wait() => return Admission::TimedOut,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ConnectError> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "the peer takes no bytes");
        let written = self.deadline.timeout(write).await;
        let written = written.unwrap_or_else(|| Err(timed_out()));
        match written {
            // The peer may have closed the connection: the next read returns the error of that stage.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
            Ok(()) => Ok(()),
        }
    }
}

fn tls_failed(node: NodeId, error: io::Error) -> ConnectError {
    let error = error.into();
    ConnectError::Tls { node, error }
}

/// Whether the peer has closed the connection. Some systems report that as a reset, TLS writes as well as it reads, and a
/// peer that refuses this node under TLS does not declare the end of its bytes.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
    )
}
