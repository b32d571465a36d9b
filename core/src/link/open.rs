//! Drives the opening of one connection: the handshake machine, the stream, the one deadline, and the choice
//! between two connections to the same node.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Links;
use super::door::Pass;
use crate::NodeId;
use crate::deadline::Deadline;
use crate::guard::Panicked;
use crate::handshake::{
    AuthMethod, AwaitGreeting, Awaiting, Established, Greeted, HandshakeError, Nonce, Opening,
    Progress, Role, Settings,
};
use crate::peer::{self, Peer, Refused, Stage};
use crate::transport::Stream;

/// How much is read at a time before the peer is known.
const READ: usize = 4096;

/// The most that is kept of what a peer sends while its connection is held.
const HOLD: usize = 12 << 10;

/// A connection whose opening is complete.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Stream>,
    pub(super) established: Established,
    pub(super) peer: Arc<Peer>,
    /// What the peer has sent after its auth line: messages.
    pub(super) rest: BytesMut,
    /// Keeps other connections to the same node back until the link is up.
    pub(super) opening: peer::Opening,
    /// Its place among those that others have opened, if this is one.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// Why a connection was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{0}")]
    Connect(io::Error),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("the connection failed during the opening: {0}")]
    Io(io::Error),
    #[error("a panic: {0}")]
    Panicked(Panicked),
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{found:?} answers there, not {expected:?}", expected = expected.as_str(), found = found.as_str())]
    OtherNode { expected: NodeId, found: NodeId },
    #[error(
        "the peer says that it is {node:?}, which is this node's own ID, and it is another node: give each an ID of \
         its own",
        node = .0.as_str()
    )]
    IdTaken(NodeId),
    #[error(
        "more than the allowed number of connections are being opened: this one was the oldest"
    )]
    Displaced,
    #[error(
        "{:?} is refused: this node has no more than {limit} connections that others have opened (links)",
        .node.as_str()
    )]
    Full { node: NodeId, limit: usize },
    #[error("this node is stopping")]
    Stopping,
}

/// Which end of a connection this node is, with what belongs to it.
pub(super) enum End<'a> {
    /// It dialled.
    Dialler {
        /// The node that has to be there.
        expected: Option<&'a NodeId>,
        /// Becomes the node that answers, also where the opening fails later.
        met: &'a mut Option<Arc<Peer>>,
    },
    /// It accepted a connection that stands at the door.
    Acceptor(&'a Pass),
}

impl End<'_> {
    fn role(&self) -> Role {
        match self {
            Self::Dialler { .. } => Role::Dialler,
            Self::Acceptor(_) => Role::Acceptor,
        }
    }
}

/// Opens a connection over `stream`, on which nothing has been sent.
pub(super) async fn open(
    links: &Arc<Links>,
    stream: Box<dyn Stream>,
    end: End<'_>,
) -> Result<Opened, OpenError> {
    let limit = links.network.config.opening_timeout;
    let mut wire = Wire {
        stream,
        buffer: BytesMut::new(),
        limit,
        deadline: Deadline::after(limit),
    };

    let nonce = Nonce::new(links.entropy.bytes());
    links.nonces.remember(nonce.clone());
    let role = end.role();
    let (state, greeting) = start(links, &wire, role, nonce)?;
    wire.write(&greeting).await?;
    let greeted = wire.drive(state).await.map_err(|error| match error {
        OpenError::Handshake(HandshakeError::Myself { node: id, nonce })
            if !links.nonces.contains(&nonce) =>
        {
            OpenError::IdTaken(id)
        }
        error => error,
    })?;
    let ready = match greeted {
        Greeted::Plain(ready) => ready,
        Greeted::Tls(await_tls) => return Err(await_tls.on_eof().into()),
    };
    let id = ready.peer().node().clone();
    let mut opening = None;
    let mut stranger = None;
    match end {
        End::Acceptor(pass) => stranger = Some(pass),
        End::Dialler {
            expected: Some(expected),
            ..
        } if *expected != id => {
            return Err(OpenError::OtherNode {
                expected: expected.clone(),
                found: id,
            });
        }
        End::Dialler { met, .. } => {
            let peer = links.network.peer(&id);
            *met = Some(peer.clone());
            let own = peer.opening(role, ready.peer().says_role());
            match wire.hold(own.permit(Stage::AuthSent)).await {
                Held::Permitted(permitted) => permitted?,
                Held::Closed => return Err(ready.on_eof().into()),
                Held::Late => return Err(ready.on_deadline(limit).into()),
            }
            opening = Some(own);
        }
    }
    let (state, line) = ready.authenticate();
    wire.write(&line).await?;
    let verified = wire.drive(state).await?;
    let mut place = None;
    if let Some(pass) = stranger {
        pass.proved();
        let free = links.accepted.clone().try_acquire_owned();
        place = Some(free.map_err(|_| OpenError::Full {
            node: id.clone(),
            limit: links.network.config.links,
        })?);
    }
    let peer = links.network.peer(&id);
    let opening = opening.unwrap_or_else(|| peer.opening(role, verified.peer().says_role()));
    match wire.hold(opening.permit(Stage::Completing)).await {
        Held::Permitted(permitted) => permitted?,
        Held::Closed => return Err(verified.on_eof().into()),
        Held::Late => return Err(verified.on_deadline(limit).into()),
    }
    let (established, line) = verified.finish();
    wire.write(&line).await?;
    Ok(Opened {
        stream: wire.stream,
        established,
        peer,
        rest: wire.buffer,
        opening,
        place,
    })
}

fn start(
    links: &Links,
    wire: &Wire,
    role: Role,
    nonce: Nonce,
) -> Result<(AwaitGreeting, Vec<u8>), HandshakeError> {
    let mut opening = Opening::new(links.settings.clone(), role, nonce);
    opening.local = wire.stream.local();
    opening.peer = wire.stream.peer();
    let loopback = opening
        .peer
        .is_some_and(|address| address.ip().to_canonical().is_loopback());
    opening.cleartext =
        links.network.config.cleartext && loopback && links.cleartext.allows(Instant::now());
    opening.start()
}

/// What the node says and accepts in every opening.
pub(crate) fn settings(
    node: NodeId,
    secret: Option<crate::handshake::Secret>,
    config: &crate::Config,
    codecs: &crate::codec::Codecs,
) -> Settings {
    let mut settings = Settings::new(node);
    settings.secret = secret;
    settings.framings = codecs.names().map(crate::Text::from).collect();
    settings.check_peeraddr = config.check_peeraddr;
    settings.auth_offer.clone_from(&config.auth_offer);
    settings.auth_accept.clone_from(&config.auth_accept);
    if config.cleartext && !settings.auth_accept.contains(&AuthMethod::Cleartext) {
        settings.auth_accept.push(AuthMethod::Cleartext);
    }
    settings
}

/// The stream during the opening, with what was read and not used yet.
struct Wire {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    limit: Duration,
    deadline: Deadline,
}

/// How waiting for a permission ended.
enum Held<P> {
    Permitted(P),
    Closed,
    Late,
}

impl Wire {
    /// Reads until `state` has become the next one.
    async fn drive<S: Awaiting>(&mut self, mut state: S) -> Result<S::Next, OpenError> {
        loop {
            let (used, progress) = state.receive(&self.buffer)?;
            self.buffer.advance(used);
            state = match progress {
                Progress::Done(next) => return Ok(next),
                Progress::More(state) => state,
            };
            self.buffer.reserve(READ);
            let read = self.stream.read_buf(&mut self.buffer);
            match self.deadline.bound(read).await {
                Some(Ok(0)) => return Err(state.on_eof().into()),
                Some(Ok(_)) => {}
                // A reset is how some systems show that the peer closed.
                Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(state.on_eof().into());
                }
                Some(Err(error)) => return Err(OpenError::Io(error)),
                None => return Err(state.on_deadline(self.limit).into()),
            }
        }
    }

    /// Waits for a permission, and notices meanwhile if the peer closes. What it sends is kept, up to a limit.
    async fn hold<P>(&mut self, permission: impl Future<Output = P>) -> Held<P> {
        tokio::pin!(permission);
        loop {
            let full = self.buffer.len() >= HOLD;
            self.buffer.reserve(READ);
            tokio::select! {
                // A peer that says all it has to say and closes its direction is let in while that may be.
                biased;
                permitted = &mut permission => return Held::Permitted(permitted),
                read = self.stream.read_buf(&mut self.buffer), if !full => match read {
                    Ok(0) | Err(_) => return Held::Closed,
                    Ok(_) => {}
                },
                () = self.deadline.wait() => return Held::Late,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), OpenError> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the peer takes no bytes");
        let written = self.deadline.bound(write).await;
        let written = written.unwrap_or_else(|| Err(late()));
        match written {
            // The peer may have closed on purpose: reading says at which stage.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(OpenError::Io(error)),
            Ok(()) => Ok(()),
        }
    }
}
