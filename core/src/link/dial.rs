//! Dials: connects to one address and opens the connection.

use std::sync::Arc;

use super::Links;
use super::open::{End, OpenError, Opened, open};
use crate::deadline::Deadline;
use crate::guard;
use crate::peer::Peer;
use crate::{Address, Config, Excerpt, NodeId};

/// Why a node that has stopped connects to nobody.
pub(super) const STOPPED: &str = "this node stopped";

/// Why there is no connection.
pub(super) struct Failed {
    pub(super) error: OpenError,
    /// Who answered, if that is known.
    pub(super) peer: Option<Arc<Peer>>,
}

/// Connects to `address` and opens the connection. To connect may take until `until`, or `opening_timeout`; the opening
/// has that of its own.
///
/// A panic on the way, of the transport for one, is an error like others.
pub(super) async fn dial(
    links: &Arc<Links>,
    address: &Address,
    expected: Option<&NodeId>,
    until: Option<Deadline>,
) -> Result<Opened, Failed> {
    let attempt = guard::complete(try_dial(links, address, expected, until));
    attempt.await.unwrap_or_else(|panic| {
        tracing::error!(target: "aemp::link", %address, panic = %Excerpt(&panic), "an attempt to connect panicked");
        let error = OpenError::Panicked(panic);
        Err(Failed { error, peer: None })
    })
}

async fn try_dial(
    links: &Arc<Links>,
    address: &Address,
    expected: Option<&NodeId>,
    until: Option<Deadline>,
) -> Result<Opened, Failed> {
    let failed = |error| Failed { error, peer: None };
    let transport = links
        .transports
        .of(address)
        .map_err(|error| failed(OpenError::Connect(error)))?;
    let Config {
        opening_timeout,
        connect_interval,
        ..
    } = *links.network.config;
    let latest = Deadline::after(opening_timeout);
    let (until, limit) = match until {
        Some(until) if until < latest => {
            (until, format!("{connect_interval:?} (connect_interval)"))
        }
        _ => (latest, format!("{opening_timeout:?}")),
    };
    let connected = until
        .bound(transport.connect(address, &links.options))
        .await;
    let late = || {
        std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no connection within {limit}"),
        )
    };
    let stream = connected
        .unwrap_or_else(|| Err(late()))
        .map_err(|error| failed(OpenError::Connect(error)))?;
    let mut met = None;
    let end = End::Dialler {
        expected,
        met: &mut met,
    };
    let opened = open(links, stream, end).await;
    opened.map_err(|error| Failed { error, peer: met })
}
