//! `dial`: connects to one address and opens the connection.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Links;
use super::open::{Opened, Side, open};
use crate::deadline::Deadline;
use crate::error::ConnectError;
use crate::guard;
use crate::peer::Peer;
use crate::transport::SocketConfig;
use crate::{Address, Config, Excerpt, NodeId};

/// The error of a dial.
pub(super) struct DialError {
    pub(super) error: ConnectError,
    /// The node that answered, if its greeting was read.
    pub(super) peer: Option<Arc<Peer>>,
    /// The socket address that was connected to, if there was one.
    pub(super) at: Option<SocketAddr>,
}

impl DialError {
    fn new(error: ConnectError) -> Self {
        Self {
            error,
            peer: None,
            at: None,
        }
    }
}

/// Connects to `address`, but to none of the socket addresses `avoid`, and opens the connection. Connecting is limited by `until`
/// and by `opening_timeout`, whichever comes first; the opening then has another `opening_timeout`.
///
/// A panic, such as one of the transport, is returned as an error.
pub(super) async fn dial(
    links: &Arc<Links>,
    address: &Address,
    expected: Option<&NodeId>,
    until: Option<Deadline>,
    avoid: &[SocketAddr],
) -> Result<Opened, DialError> {
    let attempt = guard::complete(try_dial(links, address, expected, until, avoid));
    attempt.await.unwrap_or_else(|panic| {
        tracing::error!(target: "aemp::link", %address, panic = %Excerpt(&panic), "an attempt to connect panicked");
        let error = ConnectError::panicked(panic);
        Err(DialError::new(error))
    })
}

async fn try_dial(
    links: &Arc<Links>,
    address: &Address,
    expected: Option<&NodeId>,
    until: Option<Deadline>,
    avoid: &[SocketAddr],
) -> Result<Opened, DialError> {
    let failed = DialError::new;
    let transport = links
        .transports
        .of(address)
        .map_err(|known| failed(ConnectError::no_transport(address, known)))?;
    let Config {
        opening_timeout,
        connect_timeout,
        ..
    } = *links.network.config;
    let latest = Deadline::after(opening_timeout);
    let (until, limit, key) = match until {
        Some(until) if until < latest => (until, connect_timeout, "connect_interval"),
        _ => (latest, opening_timeout, "opening_timeout"),
    };
    let options = SocketConfig {
        avoid: avoid.to_vec(),
        ..links.options.clone()
    };
    let connected = until.timeout(transport.connect(address, &options)).await;
    let stream = match connected {
        Some(connected) => connected.map_err(|error| failed(ConnectError::Io(error.into())))?,
        None => return Err(failed(ConnectError::TimedOut { limit, key })),
    };
    let at = stream.peer();
    let mut found = None;
    let side = Side::Dialer {
        expected,
        found: &mut found,
    };
    let opened = open(links, stream, side).await;
    opened.map_err(|error| DialError {
        error,
        peer: found,
        at,
    })
}
