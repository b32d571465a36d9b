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

/// Why a node that has stopped connects to nobody.
const STOPPED: &str = "this node stopped";

/// A configured address that the node keeps a connection to.
pub(crate) struct Seed {
    pub(crate) address: Address,
    state: Mutex<SeedState>,
}

/// How a seed stands.
#[derive(Debug, Clone, Default)]
pub(crate) enum SeedState {
    /// The first attempt is under way.
    #[default]
    Trying,
    /// We are connected to the node that answers there, by this connection or another.
    Connected,
    /// It is this node itself.
    Itself,
    /// The last attempt failed, or the connection was lost; the next attempt comes.
    Failed(String),
    /// The same, but trying again is of little use: a node answers there and one of us refuses the other.
    Refused(String),
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
}

/// Waits until one of the seeds is connected, or all have failed. Without seeds there is nothing to wait for.
///
/// # Errors
/// The address of a seed that failed, and why it did.
pub(crate) async fn joined(node: &Inner) -> Result<(), (String, String)> {
    loop {
        let changed = node.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let mut failed = None;
        let mut trying = false;
        for seed in node.seeds() {
            match seed.state() {
                SeedState::Connected => return Ok(()),
                SeedState::Trying => trying = true,
                SeedState::Itself => {}
                SeedState::Failed(why) | SeedState::Refused(why) => {
                    failed = Some((seed.address.to_string(), why))
                }
            }
        }
        match failed {
            _ if trying => tokio::select! {
                biased;
                () = changed => {}
                () = node.stop.cancelled() => return Err((String::from("its seeds"), STOPPED.into())),
            },
            Some(failed) => return Err(failed),
            None => return Ok(()),
        }
    }
}

/// Keeps a connection to `seed` until the node stops.
pub(crate) async fn keep_seed(node: Arc<Inner>, seed: Arc<Seed>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = tokio::select! {
            biased;
            outcome = dial(&node, &seed.address, None) => outcome,
            () = node.stop.cancelled() => return,
        };
        let state = match outcome {
            Ok(opened) => {
                let why = run(&node, opened, || {
                    pause = FIRST_PAUSE;
                    seed.set(&node, SeedState::Connected);
                })
                .await;
                SeedState::Failed(why)
            }
            Err(Failed {
                error: OpenError::Handshake(HandshakeError::Myself { nonce, .. }),
                ..
            }) if node.nonces.contains(&nonce) => {
                // Dropped, as protocol.md section 6 says.
                tracing::info!(target: "aemp::link", address = %seed.address, "the seed is this node itself");
                seed.set(&node, SeedState::Itself);
                return;
            }
            Err(Failed {
                error,
                peer: Some(peer),
            }) if matches!(error, OpenError::Refused(_)) || peer.link().is_some() => {
                // There is another connection to the same node, which serves as well.
                if peer.link().is_some() {
                    seed.set(&node, SeedState::Connected);
                }
                tokio::select! {
                    biased;
                    () = peer.is_down() => {}
                    () = node.stop.cancelled() => return,
                }
                SeedState::Failed(error.to_string())
            }
            Err(Failed { error, .. }) => {
                tracing::warn!(target: "aemp::link", address = %seed.address, %error, "cannot connect to a seed");
                match error {
                    OpenError::Handshake(_) => SeedState::Refused(error.to_string()),
                    _ => SeedState::Failed(error.to_string()),
                }
            }
        };
        seed.set(&node, state);
        let wait = pause.mul_f64(node.entropy.between(0.5, 1.0));
        pause = (2 * pause).min(node.config.monitor_timeout.max(FIRST_PAUSE));
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            () = node.stop.cancelled() => return,
        }
    }
}

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
        let (mut tried, mut hope) = (String::new(), false);
        for seed in node.seeds() {
            match seed.state() {
                SeedState::Connected | SeedState::Itself => {}
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
