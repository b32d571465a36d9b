//! `explain`: one opening of a connection, step by step, each with its outcome. It shows no secret and no proof.
//!
//! A peer that refuses us closes without a word (protocol.md section 2). What that can mean at each step the handshake's
//! errors say; more is not to be known.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use aemp::handshake::{
    AuthMethod, AwaitTls, Awaiting, Greeted, HandshakeError, Nonce, Opening, Peer, Progress, Ready,
    Role, Settings, Stage, TlsRole,
};
use aemp::transport::{Prefixed, Secure, SecureConfig, SocketConfig, Stream, Transport};
use aemp::{Address, NodeId, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::certificates;
use crate::progress;

/// What was done, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) outcome: Result<String, String>,
}

/// What is wrong, where more is known than the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Something between the two ends passes the connection on.
    Between,
    /// The two have no codec in common.
    Codecs,
    /// No AEMP node answers.
    NoNode,
    /// The other end has this end's ID.
    Own,
}

impl Trouble {
    fn of(error: &HandshakeError) -> Option<Self> {
        Some(match error {
            HandshakeError::PeerAddress { .. }
            | HandshakeError::SameRole { .. }
            | HandshakeError::Echo => Self::Between,
            HandshakeError::NoCommonFraming { .. } | HandshakeError::FramingNotOffered { .. } => {
                Self::Codecs
            }
            HandshakeError::Protocol { .. }
            | HandshakeError::Version { .. }
            | HandshakeError::Fields { .. }
            | HandshakeError::LineTooLong { .. }
            | HandshakeError::Closed(Stage::Greeting { .. }) => Self::NoNode,
            HandshakeError::Myself { .. } => Self::Own,
            _ => return None,
        })
    }
}

/// The steps up to the first that failed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) steps: Vec<Step>,
    /// The node that answers.
    pub(crate) node: Option<NodeId>,
    pub(crate) trouble: Option<Trouble>,
}

impl Report {
    fn done(&mut self, name: &'static str, text: impl Into<String>) {
        let outcome = Ok(text.into());
        self.steps.push(Step { name, outcome });
    }

    fn failed(&mut self, name: &'static str, why: impl ToString) {
        let outcome = Err(why.to_string());
        self.steps.push(Step { name, outcome });
    }

    /// Whether every step succeeded.
    pub(crate) fn is_good(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_ok())
    }
}

/// Opens a connection to `address` as the node that `settings` are of, and closes it when it would be up.
pub(crate) async fn explain(
    transport: &dyn Transport,
    settings: Settings,
    tls: Option<&Tls>,
    nonce: Nonce,
    address: &Address,
    limit: Duration,
) -> Report {
    let mut report = Report::default();
    // The name of the step that the error is of has been pushed by then.
    let _ = open(&mut report, transport, settings, tls, nonce, address, limit).await;
    report
}

/// The step that failed is in the report.
struct Stopped;

async fn open(
    report: &mut Report,
    transport: &dyn Transport,
    settings: Settings,
    tls: Option<&Tls>,
    nonce: Nonce,
    address: &Address,
    limit: Duration,
) -> Result<(), Stopped> {
    const CONNECT: &str = "connect";
    let options = SocketConfig::new(limit);
    let target = address.to_string();
    let connect = timeout(limit, transport.connect(address, &options));
    let stream = match progress::during(&target, limit, connect).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return stop(report, CONNECT, error),
        Err(_) => return stop(report, CONNECT, format!("no connection within {limit:?}")),
    };
    let socket = stream.peer().map(|peer| peer.to_string());
    report.done(CONNECT, socket.unwrap_or_else(|| address.to_string()));

    const GREETING: &str = "our greeting";
    let ours: Vec<String> = settings.framings.iter().map(ToString::to_string).collect();
    let mut opening = Opening::new(Arc::new(settings), Role::Dialer, nonce);
    opening.local = stream.local();
    opening.peer = stream.peer();
    let mut wire = Wire {
        target,
        stream,
        is_secured: false,
        buffer: Vec::new(),
        limit,
    };
    let (state, lines) = match opening.start() {
        Ok(started) => started,
        Err(error) => return stop(report, GREETING, aemp::error::Report(&error)),
    };
    let first = lines
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    report.done(GREETING, String::from_utf8_lossy(first));
    wire.write(report, GREETING, &lines).await?;

    const THEIRS: &str = "its greeting";
    let greeted = wire.drive(report, THEIRS, state).await?;
    report.node = Some(greeted.peer().node().clone());
    report.done(THEIRS, shown(greeted.peer()));
    let ready = match greeted {
        Greeted::Plain(ready) => ready,
        Greeted::Tls(await_tls) => {
            let (secured, ready) = wire.secure(report, tls, await_tls).await?;
            wire = secured;
            ready
        }
    };
    let theirs: Vec<&str> = ready.peer().framings().collect();
    report.done(
        "codec to it",
        format!(
            "{}: of what it reads, best first ({}), the first that we write ({})",
            ready.sends(),
            theirs.join(", "),
            ours.join(", ")
        ),
    );

    const AUTH: &str = "authentication";
    let method = ready.auth_sent();
    let (state, line) = ready.authenticate();
    wire.write(report, AUTH, &line).await?;
    let verified = wire.drive(report, AUTH, state).await?;
    let (established, line) = verified.finish();
    wire.write(report, AUTH, &line).await?;
    report.done(
        AUTH,
        match (method, established.auth_received()) {
            (AuthMethod::TlsSha3_512, AuthMethod::TlsSha3_512) => {
                "each proved itself by its certificate (tls_sha3_512)".to_owned()
            }
            (ours, theirs) if ours.needs_secret() && theirs.needs_secret() => {
                format!("we proved the secret by {ours}, and it did by {theirs}")
            }
            (ours, theirs) => format!("we proved ourselves by {ours}, and it did by {theirs}"),
        },
    );
    report.done(
        "codec from it",
        format!(
            "{}: chosen by it, of what we read, best first ({})",
            established.receives(),
            ours.join(", ")
        ),
    );
    Ok(())
}

fn stop<T>(report: &mut Report, name: &'static str, why: impl ToString) -> Result<T, Stopped> {
    report.failed(name, why);
    Err(Stopped)
}

fn refuse<T>(report: &mut Report, name: &'static str, why: &HandshakeError) -> Result<T, Stopped> {
    report.trouble = Trouble::of(why);
    stop(report, name, aemp::error::Report(why))
}

/// What a greeting says.
fn shown(peer: &Peer) -> String {
    let list = |items: Vec<&str>| items.join(", ");
    let mut text = format!(
        "node {}, program {}, reads {}, accepts {}",
        peer.node(),
        match &*peer.provider() {
            "" => "unknown",
            provider => provider,
        },
        list(peer.framings().collect()),
        list(peer.auths().collect()),
    );
    if let Some(seen) = peer.key("peeraddr") {
        text += &format!(", sees us at {seen}");
    }
    text
}

/// The step in which TLS is established, or one of the two ends refuses the other's certificate.
const TLS: &str = "TLS";

struct Wire {
    /// Whom it is to.
    target: String,
    stream: Box<dyn Stream>,
    /// Whether the stream is encrypted.
    is_secured: bool,
    buffer: Vec<u8>,
    limit: Duration,
}

impl Wire {
    async fn secure(
        self,
        report: &mut Report,
        tls: Option<&Tls>,
        state: AwaitTls,
    ) -> Result<(Self, Ready), Stopped> {
        let Some(tls) = tls else {
            return stop(report, TLS, "this node has no certificate");
        };
        let Self {
            target,
            stream,
            buffer,
            limit,
            ..
        } = self;
        let stream = Prefixed::boxed(buffer, stream);
        let secured = tls.secure(stream, SecureConfig::new(state.role()));
        let secured = match progress::during(&target, limit, timeout(limit, secured)).await {
            Ok(Ok(secured)) => secured,
            Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => {
                return stop(report, TLS, error);
            }
            Ok(Err(_)) => return stop(report, TLS, state.on_eof()),
            Err(_) => return stop(report, TLS, state.on_deadline(limit)),
        };
        let end = match state.role() {
            TlsRole::Client => "client",
            TlsRole::Server => "server",
        };
        let certificate = secured.tls.certificate.as_ref().map(certificates::shown);
        report.done(
            TLS,
            format!(
                "{}, {}, we are the {end}; its certificate: {}; ours: {}",
                secured.tls.version,
                secured.tls.cipher_suite,
                certificate.as_deref().unwrap_or("none"),
                certificates::shown(&tls.certificate())
            ),
        );
        let is_certified = certificate.is_some();
        let wire = Self {
            target,
            stream: secured.stream,
            is_secured: true,
            buffer: Vec::new(),
            limit,
        };
        Ok((wire, state.secured(is_certified)))
    }

    async fn write(
        &mut self,
        report: &mut Report,
        step: &'static str,
        bytes: &[u8],
    ) -> Result<(), Stopped> {
        // If the peer has closed, reading says at which step.
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.limit, write).await {
            Ok(_) => Ok(()),
            Err(_) => stop(
                report,
                step,
                format!("it takes no bytes for {:?}", self.limit),
            ),
        }
    }

    async fn drive<S: Awaiting>(
        &mut self,
        report: &mut Report,
        step: &'static str,
        mut state: S,
    ) -> Result<S::Next, Stopped> {
        loop {
            let (used, progress) = match state.receive(&self.buffer) {
                Ok(received) => received,
                Err(error) => return refuse(report, step, &error),
            };
            self.buffer.drain(..used);
            state = match progress {
                Progress::Done(next) => return Ok(next),
                Progress::More(state) => state,
            };
            let read = timeout(self.limit, self.stream.read_buf(&mut self.buffer));
            match progress::during(&self.target, self.limit, read).await {
                Ok(Ok(n)) if n > 0 => {}
                // With TLS 1.3 a client hears only now that its certificate is refused.
                Ok(Err(error)) if self.is_secured && error.kind() == ErrorKind::InvalidData => {
                    return stop(report, TLS, error);
                }
                Ok(_) => return refuse(report, step, &state.on_eof()),
                Err(_) => {
                    return stop(
                        report,
                        step,
                        format!("it says nothing for {:?}", self.limit),
                    );
                }
            }
        }
    }
}
