//! Makes connections to nodes that something is to be sent to, and dials for [`seed`](super::seed) as well.

use std::sync::Arc;

use tokio::time::{Instant, timeout, timeout_at};

use super::open::{OpenError, Opened, open};
use super::run::run;
use super::seed::SeedState;
use crate::handshake::Role;
use crate::node::{Inner, parse_addresses};
use crate::peer::Peer;
use crate::{Address, NodeId};

/// Why a node that has stopped connects to nobody.
pub(super) const STOPPED: &str = "this node stopped";

/// Connects to `peer`, for which messages wait, or gives up and lets them fail.
pub(crate) fn connect_on_demand(node: &Arc<Inner>, peer: Arc<Peer>) {
    if !node.spawn(connect(node.clone(), peer.clone())) {
        peer.unreachable(STOPPED);
    }
}

async fn connect(node: Arc<Inner>, peer: Arc<Peer>) {
    let attempt = async {
        let outcome = try_addresses(&node, &peer).await;
        if outcome.is_err() {
            // The peer itself may be about to complete a connection, and think that it has.
            peer.no_openings().await;
        }
        outcome
    };
    let outcome = tokio::select! {
        biased;
        outcome = attempt => outcome,
        () = peer.settled() => return,
        () = node.stop.cancelled() => Err(STOPPED.into()),
    };
    match outcome {
        Ok(opened) => {
            run(&node, opened, || {}).await;
        }
        Err(text) => peer.unreachable(&text),
    }
}

/// Tries the addresses of `peer` in turn, again and again for `connect_interval`.
async fn try_addresses(node: &Arc<Inner>, peer: &Arc<Peer>) -> Result<Opened, String> {
    let mut addresses = peer.addresses();
    if addresses.is_empty() {
        addresses = look_up(node, &peer.id).await?;
    }
    let until = Instant::now() + node.config.connect_interval;
    loop {
        let mut last = String::new();
        for address in &addresses {
            match dial(node, address, Some(&peer.id)).await {
                Ok(opened) => return Ok(opened),
                Err(Failed {
                    error: OpenError::Refused(_),
                    ..
                }) => {
                    // Another connection is up or about to be; it takes the messages.
                    peer.settled().await;
                    return Err("another connection was made".into());
                }
                Err(Failed { error, .. }) => last = format!("{address}: {error}"),
            }
        }
        let pause = node
            .config
            .connect_interval
            .mul_f64(node.entropy.between(0.1, 0.2));
        if Instant::now() + pause >= until {
            return Err(last);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Asks the network where `peer` listens.
async fn look_up(node: &Arc<Inner>, peer: &NodeId) -> Result<Vec<Address>, String> {
    let found = timeout(node.config.monitor_timeout, node.directory.find(node, peer));
    let found = tokio::select! {
        biased;
        found = found => found,
        why = wait_for_seeds(node), if !node.directory.can_find() => return Err(why),
    };
    let found = found.ok().flatten().unwrap_or_default();
    let addresses = parse_addresses(&found);
    match addresses.is_empty() {
        true => Err(String::from("no known address")),
        false => Ok(addresses),
    }
}

/// Nobody knows an address of the peer, but it may be one of the seeds that are not connected yet.
async fn wait_for_seeds(node: &Arc<Inner>) -> String {
    let deadline = Instant::now() + node.config.monitor_timeout;
    loop {
        let changed = node.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (mut tried, mut hope) = (String::new(), false);
        for seed in node.seeds() {
            match seed.state() {
                SeedState::Connected(_) | SeedState::Itself => {}
                SeedState::Trying => hope = true,
                SeedState::Failed(why) => {
                    hope = true;
                    tried += &format!("; seed {}: {why}", seed.address);
                }
                SeedState::Refused(why) => tried += &format!("; seed {}: {why}", seed.address),
            }
        }
        if !hope || timeout_at(deadline, changed).await.is_err() {
            return format!("no known address{tried}");
        }
    }
}

pub(super) struct Failed {
    pub(super) error: OpenError,
    /// Who answered, if that is known.
    pub(super) peer: Option<Arc<Peer>>,
}

/// Connects to `address` and opens the connection.
pub(super) async fn dial(
    node: &Arc<Inner>,
    address: &Address,
    expected: Option<&NodeId>,
) -> Result<Opened, Failed> {
    let failed = |error| Failed { error, peer: None };
    let transport = node
        .transports
        .of(address)
        .map_err(|error| failed(OpenError::Connect(error)))?;
    let limit = node.config.opening_timeout;
    let connected = timeout(limit, transport.connect(address, &node.options)).await;
    let late = || {
        std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no connection within {limit:?}"),
        )
    };
    let stream = connected
        .unwrap_or_else(|_| Err(late()))
        .map_err(|error| failed(OpenError::Connect(error)))?;
    let mut met = None;
    let opened = open(node, stream, Role::Dialler, expected, &mut met).await;
    opened.map_err(|error| Failed { error, peer: met })
}
