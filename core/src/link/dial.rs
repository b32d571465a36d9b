//! `dial`: connects to one address and opens the connection.

use std::sync::Arc;

use super::Links;
use super::open::{OpenError, Opened, Side, open};
use crate::deadline::Deadline;
use crate::guard;
use crate::peer::Peer;
use crate::{Address, Config, Excerpt, NodeId};

/// The error of connecting after the node has stopped.
pub(super) const STOPPED: &str = "this node stopped";

/// The error of a dial.
pub(super) struct DialError {
    pub(super) error: OpenError,
    /// The node that answered, if its greeting was read.
    pub(super) peer: Option<Arc<Peer>>,
}

/// Connects to `address` and opens the connection. Connecting is limited by `until` and by `opening_timeout`, whichever
/// comes first; the opening then has another `opening_timeout`.
///
/// A panic, such as one of the transport, is returned as an error.
pub(super) async fn dial(
    links: &Arc<Links>,
    address: &Address,
    expected: Option<&NodeId>,
    until: Option<Deadline>,
) -> Result<Opened, DialError> {
    let attempt = guard::complete(try_dial(links, address, expected, until));
    attempt.await.unwrap_or_else(|panic| {
        tracing::error!(target: "aemp::link", %address, panic = %Excerpt(&panic), "an attempt to connect panicked");
        let error = OpenError::Panicked(panic);
        Err(DialError { error, peer: None })
    })
}

async fn try_dial(
    links: &Arc<Links>,
    address: &Address,
    expected: Option<&NodeId>,
    until: Option<Deadline>,
) -> Result<Opened, DialError> {
    let failed = |error| DialError { error, peer: None };
    let transport = links
        .transports
        .of(address)
        .map_err(|error| failed(OpenError::Connect(error)))?;
    let Config {
        opening_timeout,
        connect_timeout,
        ..
    } = *links.network.config;
    let latest = Deadline::after(opening_timeout);
    let (until, limit) = match until {
        Some(until) if until < latest => (until, format!("{connect_timeout:?} (connect_interval)")),
        _ => (latest, format!("{opening_timeout:?}")),
    };
    let connected = until
        .timeout(transport.connect(address, &links.options))
        .await;
    let timed_out = || {
        std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no connection within {limit}"),
        )
    };
    let stream = connected
        .unwrap_or_else(|| Err(timed_out()))
        .map_err(|error| failed(OpenError::Connect(error)))?;
    let mut found = None;
    let side = Side::Dialler {
        expected,
        found: &mut found,
    };
    let opened = open(links, stream, side).await;
    opened.map_err(|error| DialError { error, peer: found })
}
