//! Seeds: addresses to which a node keeps a connection, whichever node answers there (protocol.md section 6).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Links;
use super::dial::{DialError, dial};
use super::open::Opened;
use super::run::run;
use crate::error::ConnectError;
use crate::handshake::HandshakeError;
use crate::peer::Peer;
use crate::transport::Transport;
use crate::{Address, Excerpt, NodeId, Report};

/// First backoff between attempts at a seed; it doubles up to `monitor_timeout` (protocol.md section 6).
const FIRST_BACKOFF: Duration = Duration::from_millis(1200);

/// Upper bound of the backoff, however long `monitor_timeout` is.
const MAX_BACKOFF: Duration = Duration::from_secs(3600);

/// A snapshot of a seed, from [`seeds`](crate::LocalNode::seeds).
///
/// ```
/// # fn example(node: aemp::LocalNode) {
/// for seed in node.seeds() {
///     println!("{}: {:?}", seed.address, seed.state);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeedInfo {
    /// The address to which the node connects.
    pub address: Address,
    /// The state of the connection.
    pub state: SeedState,
}

/// The state of a seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedState {
    /// The first attempt is in progress.
    #[default]
    Trying,
    /// This node is connected to the node that answers there, over this connection or another one.
    Connected(NodeId),
    /// The address is one of this node itself. No further attempt is made, but where a name can stand for other nodes as well: none
    /// of those answers, and the name is resolved again from time to time.
    Itself,
    /// The last attempt failed or the connection was lost. The node tries again.
    Failed(ConnectError),
    /// The last attempt failed in the handshake or in TLS: a node answers there, and one of the two refuses the other. The
    /// node tries again, although that rarely helps.
    Refused(ConnectError),
}

/// The seeds of one node, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Seeds(Mutex<Vec<Arc<Seed>>>);

/// An address to which the node keeps a connection.
pub(crate) struct Seed {
    pub(crate) address: Address,
    record: Mutex<Record>,
    /// Cancelled when no further attempt is made: the seed was removed, or the node stops.
    cancelled: CancellationToken,
}

/// How the attempts at a seed went.
#[derive(Default)]
struct Record {
    state: SeedState,
    /// Whether it was connected before.
    was_up: bool,
    /// Attempts that failed, and how many of them an error of [`joined`] has told.
    failures: u64,
    told: u64,
}

impl Seeds {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Seed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Seed>> {
        self.lock().clone()
    }

    /// The connected nodes that answer at seeds, without duplicates.
    pub(crate) fn connected(&self) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for seed in &*self.lock() {
            if let SeedState::Connected(node) = seed.state()
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
        nodes
    }
}

impl Seed {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> SeedState {
        self.record().state.clone()
    }

    pub(crate) fn info(&self) -> SeedInfo {
        SeedInfo {
            address: self.address.clone(),
            state: self.state(),
        }
    }

    fn set(&self, links: &Links, state: SeedState) {
        let mut record = self.record();
        match &state {
            SeedState::Connected(_) => record.was_up = true,
            SeedState::Failed(_) | SeedState::Refused(_) => record.failures += 1,
            SeedState::Trying | SeedState::Itself => {}
        }
        record.state = state;
        drop(record);
        links.seeds_changed.notify_waiters();
    }

    /// The state, as one that waits since `told` failures sees it: a failure that was told before is followed by another attempt,
    /// and a seed that was there before is waited for, but where one of the two refuses the other now.
    fn state_since(&self, told: u64) -> SeedState {
        let record = self.record();
        match &record.state {
            SeedState::Failed(_) if record.was_up || record.failures <= told => SeedState::Trying,
            SeedState::Refused(_) if record.failures <= told => SeedState::Trying,
            state => state.clone(),
        }
    }

    fn set_told(&self) {
        let mut record = self.record();
        record.told = record.failures;
    }
}

/// Adds the seed `address`. Returns false if the node has it already.
pub(crate) fn add_seed(links: &Arc<Links>, address: Address) -> bool {
    let seed = {
        let mut seeds = links.seeds.lock();
        if seeds.iter().any(|seed| seed.address == address) {
            return false;
        }
        let seed = Arc::new(Seed {
            address,
            record: Mutex::default(),
            cancelled: links.network.life.stop.child_token(),
        });
        seeds.push(seed.clone());
        seed
    };
    if let Some(host) = links.host.upgrade() {
        host.seeds_changed();
    }
    links.seeds_changed.notify_waiters();
    let name = format!("the seed {}", seed.address);
    let guard = SeedGuard {
        links: links.clone(),
        seed,
    };
    links.network.life.spawn_essential(
        name,
        async move { keep_seed(&guard.links, &guard.seed).await },
    );
    true
}

/// The guard of a seed's task. When the task ends, by any cause, the seed no longer counts as connected.
struct SeedGuard {
    links: Arc<Links>,
    seed: Arc<Seed>,
}

impl Drop for SeedGuard {
    fn drop(&mut self) {
        if let SeedState::Trying | SeedState::Connected(_) = self.seed.state() {
            self.seed
                .set(&self.links, SeedState::Failed(ConnectError::Stopped));
        }
    }
}

/// Removes the seed `address`. Returns false if there is no such seed.
pub(crate) fn remove_seed(links: &Links, address: &Address) -> bool {
    let removed = {
        let mut seeds = links.seeds.lock();
        let at = seeds.iter().position(|seed| seed.address == *address);
        at.map(|at| seeds.remove(at))
    };
    let Some(seed) = removed else { return false };
    seed.cancelled.cancel();
    links.seeds_changed.notify_waiters();
    true
}

/// Waits until one of the seeds is connected, or all have failed that were never connected, each since the last error that was
/// told. Returns at once if there are no seeds.
///
/// # Errors
/// The address of a seed that failed, and the reason; [`ConnectError::Stopped`] at each call once the node stops.
pub(crate) async fn joined(links: &Links) -> Result<(), (Address, ConnectError)> {
    // As of now: two that wait at a time hear of the same failure.
    let at_start: Vec<(Arc<Seed>, u64)> = links
        .seeds()
        .into_iter()
        .map(|seed| (seed.clone(), seed.record().told))
        .collect();
    let told = |seed: &Arc<Seed>| {
        let known = at_start.iter().find(|(known, _)| Arc::ptr_eq(known, seed));
        known.map_or(0, |(_, told)| *told)
    };
    loop {
        let changed = links.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let mut failed = None;
        let mut trying = None;
        for seed in links.seeds() {
            match seed.state_since(told(&seed)) {
                SeedState::Connected(_) => return Ok(()),
                SeedState::Trying => trying = Some(seed.address.clone()),
                SeedState::Itself => {}
                SeedState::Failed(why) | SeedState::Refused(why) => {
                    failed = Some((seed.address.clone(), why))
                }
            }
        }
        match (trying, failed) {
            (Some(trying), _) => tokio::select! {
                biased;
                () = changed => {}
                () = links.network.life.stop.cancelled() => {
                    // A loop that goes on all the same leaves room for others.
                    tokio::task::yield_now().await;
                    return Err((trying, ConnectError::Stopped));
                }
            },
            (None, Some(failed)) => {
                links.seeds().iter().for_each(|seed| seed.set_told());
                return Err(failed);
            }
            (None, None) => return Ok(()),
        }
    }
}

/// Addresses of one name that are tried in an attempt, each of which may cost a greeting and `opening_timeout`.
const MAX_TRIED: usize = 32;

/// Connects to a seed. A name can stand for several nodes, as that of all nodes of a cluster does: where the one that answers first
/// is this node itself, refuses, or then says nothing, the others are tried.
///
/// The error is the last one of a node that answered; that of this node itself only if no other answered.
async fn dial_any(links: &Arc<Links>, address: &Address) -> Result<Opened, DialError> {
    let mut tried = Vec::new();
    let mut found = None;
    loop {
        let error = match dial(links, address, None, None, &tried).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if let Some(peer) = &error.peer
            && has_other_connection(&error.error, peer)
        {
            return Err(error);
        }
        let Some(at) = error.at.filter(|at| !tried.contains(at)) else {
            // Nothing answers at the addresses that are left, or none is left.
            return Err(found.unwrap_or(error));
        };
        tried.push(at);
        let is_itself = is_itself(&error);
        let error = match found.take() {
            Some(before) if is_itself => before,
            _ => error,
        };
        if !can_change(links, address, Some(at)) || tried.len() == MAX_TRIED {
            return Err(error);
        }
        if !is_itself {
            tracing::warn!(target: "aemp::link", %address, %at, error = %Excerpt(Report(&error.error)), "no connection to one of the nodes that a seed's name stands for: the others are tried");
        }
        found = Some(error);
    }
}

fn is_itself(error: &DialError) -> bool {
    matches!(
        error.error,
        ConnectError::Handshake(HandshakeError::Myself { .. })
    )
}

/// Whether another connection to `peer`, which has answered, is up or comes up, and is used instead.
fn has_other_connection(error: &ConnectError, peer: &Peer) -> bool {
    matches!(error, ConnectError::OtherConnection { .. }) || peer.link().is_some()
}

/// Whether other nodes than the one at the socket address `at` can answer at an address: it is a name, of a transport that leaves
/// out those of its socket addresses that were tried.
fn can_change(links: &Links, address: &Address, at: Option<SocketAddr>) -> bool {
    let is_name = at.is_some() && address.target().parse::<SocketAddr>().is_err();
    is_name && links.transports.of(address).is_ok_and(Transport::can_avoid)
}

/// Keeps a connection to `seed` until that is cancelled. An open connection then stays until it ends.
async fn keep_seed(links: &Arc<Links>, seed: &Seed) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let outcome = tokio::select! {
            biased;
            outcome = dial_any(links, &seed.address) => outcome,
            () = seed.cancelled.cancelled() => return,
        };
        let state = match outcome {
            Ok(opened) => {
                let peer = opened.peer.id.clone();
                let why = run(links, opened, || {
                    backoff = FIRST_BACKOFF;
                    seed.set(links, SeedState::Connected(peer));
                })
                .await;
                SeedState::Failed(ConnectError::Lost { reason: why.into() })
            }
            Err(error) if is_itself(&error) => {
                if seed.state() != SeedState::Itself {
                    tracing::info!(target: "aemp::link", address = %seed.address, "the seed is this node itself");
                }
                if !can_change(links, &seed.address, error.at) {
                    // A node drops itself from its seeds (protocol.md section 6).
                    seed.set(links, SeedState::Itself);
                    return;
                }
                SeedState::Itself
            }
            Err(DialError {
                error,
                peer: Some(peer),
                ..
            }) if has_other_connection(&error, &peer) => {
                if peer.link().is_some() {
                    seed.set(links, SeedState::Connected(peer.id.clone()));
                }
                tokio::select! {
                    biased;
                    () = peer.wait_down() => {}
                    () = seed.cancelled.cancelled() => return,
                }
                SeedState::Failed(error)
            }
            Err(DialError { error, .. }) => {
                tracing::warn!(target: "aemp::link", address = %seed.address, error = %Excerpt(Report(&error)), "cannot connect to a seed");
                match error.is_refusal() {
                    true => SeedState::Refused(error),
                    false => SeedState::Failed(error),
                }
            }
        };
        seed.set(links, state);
        let wait = backoff.mul_f64(links.entropy.between(0.5, 1.0));
        let max_backoff = links.network.config.monitor_timeout.min(MAX_BACKOFF);
        backoff = (2 * backoff).min(max_backoff.max(FIRST_BACKOFF));
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            () = seed.cancelled.cancelled() => return,
        }
    }
}
