//! Makes connections: to seeds, which are kept up, and to other nodes when something is to be sent to them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::open::{OpenError, Opened, open};
use super::run::run;
use crate::handshake::{HandshakeError, Role};
use crate::node::Inner;
use crate::peer::Peer;
use crate::{Address, NodeId};

/// First pause between attempts at a seed; it doubles up to `monitor_timeout` (protocol.md section 6).
const FIRST_PAUSE: Duration = Duration::from_millis(1200);

/// A configured address that the node keeps a connection to.
pub(crate) struct Seed {
    pub(crate) address: Address,
    state: Mutex<SeedState>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SeedState {
    /// We are connected to the node that answers there.
    pub(crate) connected: bool,
    /// It is this node itself.
    pub(crate) itself: bool,
    /// Why the last attempt failed.
    pub(crate) error: Option<String>,
    /// Whether trying again is of little use: a node answers there and does not let us in.
    pub(crate) refused: bool,
}

impl Seed {
    pub(crate) fn new(address: Address) -> Arc<Self> {
        Arc::new(Self {
            address,
            state: Mutex::default(),
        })
    }

    pub(crate) fn state(&self) -> SeedState {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, node: &Inner, state: SeedState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        node.seeds_changed.notify_waiters();
    }

    /// Waits until an attempt has succeeded or failed, and says which.
    pub(crate) async fn tried(&self, node: &Inner) -> Result<(), String> {
        loop {
            let changed = node.seeds_changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let state = self.state();
            match state.error {
                _ if state.connected || state.itself => return Ok(()),
                Some(error) => return Err(error),
                None => changed.await,
            }
        }
    }
}

/// Keeps a connection to `seed` until the node stops.
pub(crate) async fn keep_seed(node: Arc<Inner>, seed: Arc<Seed>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = tokio::select! {
            outcome = dial(&node, &seed.address, None) => outcome,
            () = node.stop.cancelled() => return,
        };
        match outcome {
            Ok(opened) => {
                pause = FIRST_PAUSE;
                run(&node, opened, || {
                    seed.set(
                        &node,
                        SeedState {
                            connected: true,
                            ..SeedState::default()
                        },
                    )
                })
                .await;
                seed.set(
                    &node,
                    SeedState {
                        error: Some("the connection was lost".into()),
                        ..SeedState::default()
                    },
                );
            }
            Err(Failed {
                error: OpenError::Handshake(HandshakeError::Myself { .. }),
                ..
            }) => {
                // A seed that is the node itself is dropped (protocol.md section 6).
                tracing::info!(target: "aemp::link", address = %seed.address, "the seed is this node itself");
                node.drop_seed(&seed);
                seed.set(
                    &node,
                    SeedState {
                        itself: true,
                        ..SeedState::default()
                    },
                );
                return;
            }
            Err(Failed {
                error: OpenError::Refused(_),
                peer: Some(peer),
            }) => {
                // There is another connection to the same node, which serves as well.
                seed.set(
                    &node,
                    SeedState {
                        connected: peer.link().is_some(),
                        ..SeedState::default()
                    },
                );
                tokio::select! {
                    () = peer.is_down() => {}
                    () = node.stop.cancelled() => return,
                }
            }
            Err(Failed { error, .. }) => {
                tracing::warn!(target: "aemp::link", address = %seed.address, %error, "cannot connect to a seed");
                let refused = matches!(error, OpenError::Handshake(_));
                seed.set(
                    &node,
                    SeedState {
                        error: Some(error.to_string()),
                        refused,
                        ..SeedState::default()
                    },
                );
            }
        }
        let wait = pause.mul_f64(node.entropy.between(0.5, 1.0));
        pause = (2 * pause).min(node.config.monitor_timeout.max(FIRST_PAUSE));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = node.stop.cancelled() => return,
        }
    }
}

/// Connects to `peer`, for which messages wait, or gives up and lets them fail.
pub(crate) fn connect_on_demand(node: &Arc<Inner>, peer: Arc<Peer>) {
    node.spawn(connect(node.clone(), peer));
}

async fn connect(node: Arc<Inner>, peer: Arc<Peer>) {
    let outcome = tokio::select! {
        outcome = try_addresses(&node, &peer) => outcome,
        () = peer.settled() => return,
        () = node.stop.cancelled() => Err("this node stopped".into()),
    };
    match outcome {
        Ok(opened) => run(&node, opened, || {}).await,
        Err(text) => peer.unreachable(&text),
    }
}

/// Tries the addresses of `peer` in turn, again and again for `connect_interval`.
async fn try_addresses(node: &Arc<Inner>, peer: &Arc<Peer>) -> Result<Opened, String> {
    let addresses = peer.addresses();
    if addresses.is_empty() {
        return Err(wait_for_seeds(node).await);
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

/// Nobody knows an address of the peer, but it may be one of the seeds that are not connected yet.
async fn wait_for_seeds(node: &Arc<Inner>) -> String {
    let deadline = Instant::now() + node.config.monitor_timeout;
    loop {
        let changed = node.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let seeds = node.seeds();
        let states: Vec<_> = seeds.iter().map(|seed| (seed, seed.state())).collect();
        let open = states.iter().filter(|(_, state)| !state.connected);
        let hopeless = open.clone().all(|(_, state)| state.refused);
        if hopeless || timeout_at(deadline, changed).await.is_err() {
            let error = |(seed, state): &(&Arc<Seed>, SeedState)| {
                state
                    .error
                    .as_ref()
                    .map(|error| format!("; seed {}: {error}", seed.address))
            };
            return format!(
                "no known address{}",
                open.filter_map(error).collect::<String>()
            );
        }
    }
}

struct Failed {
    error: OpenError,
    /// Who answered, if that is known.
    peer: Option<Arc<Peer>>,
}

/// Connects to `address` and opens the connection.
async fn dial(
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
    let connected = timeout(limit, transport.connect(address)).await;
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
