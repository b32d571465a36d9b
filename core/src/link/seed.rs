//! Seeds: the addresses that a node keeps a connection to, whoever answers there (protocol.md section 6).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Links;
use super::dial::{Failed, STOPPED, dial};
use super::open::OpenError;
use super::run::run;
use crate::handshake::HandshakeError;
use crate::{Address, Excerpt, NodeId};

/// First pause between attempts at a seed; it doubles up to `monitor_timeout` (protocol.md section 6).
const FIRST_PAUSE: Duration = Duration::from_millis(1200);

/// The longest, however long `monitor_timeout` is.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A seed as it stands at one moment, from [`seeds`](crate::LocalNode::seeds).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeedInfo {
    /// Where the node connects to.
    pub address: Address,
    /// What came of it.
    pub state: SeedState,
}

/// How a seed stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedState {
    /// The first attempt is under way.
    #[default]
    Trying,
    /// This node is connected to the one that answers there, by this connection or another.
    Connected(NodeId),
    /// It is this node itself, which tries no more.
    Itself,
    /// The last attempt failed, or the connection was lost, and why; the next attempt comes.
    Failed(String),
    /// The same, but trying again is of little use: somebody answers there, and one of the two refuses the other. It is
    /// tried again all the same.
    Refused(String),
}

/// The seeds of one node, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Seeds(Mutex<Vec<Arc<Seed>>>);

/// An address that the node keeps a connection to.
pub(crate) struct Seed {
    pub(crate) address: Address,
    state: Mutex<SeedState>,
    /// Cancelled when nothing more is to be tried: the seed was removed, or the node stops.
    given_up: CancellationToken,
}

impl Seeds {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Seed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Seed>> {
        self.lock().clone()
    }

    /// The nodes that answer at seeds and are connected, each once.
    pub(crate) fn connected(&self) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for seed in &*self.lock() {
            if let SeedState::Connected(links) = seed.state()
                && !nodes.contains(&links)
            {
                nodes.push(links);
            }
        }
        nodes
    }
}

impl Seed {
    pub(crate) fn state(&self) -> SeedState {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn info(&self) -> SeedInfo {
        SeedInfo {
            address: self.address.clone(),
            state: self.state(),
        }
    }

    fn set(&self, links: &Links, state: SeedState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        links.seeds_changed.notify_waiters();
    }
}

/// Begins to keep a connection to `address`. False if the node does so already.
pub(crate) fn add_seed(links: &Arc<Links>, address: Address) -> bool {
    let seed = {
        let mut seeds = links.seeds.lock();
        if seeds.iter().any(|seed| seed.address == address) {
            return false;
        }
        let seed = Arc::new(Seed {
            address,
            state: Mutex::default(),
            given_up: links.network.life.stop.child_token(),
        });
        seeds.push(seed.clone());
        seed
    };
    if let Some(host) = links.host.upgrade() {
        host.seeds_changed();
    }
    links.seeds_changed.notify_waiters();
    let name = format!("the seed {}", seed.address);
    let kept = Kept {
        links: links.clone(),
        seed,
    };
    links.network.life.spawn_essential(
        name,
        async move { keep_seed(&kept.links, &kept.seed).await },
    );
    true
}

/// A seed that is kept connected. When that ends, however it does, it is connected no more.
struct Kept {
    links: Arc<Links>,
    seed: Arc<Seed>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let SeedState::Trying | SeedState::Connected(_) = self.seed.state() {
            self.seed
                .set(&self.links, SeedState::Failed(STOPPED.into()));
        }
    }
}

/// Tries no more to connect to `address`. False if it is no seed.
pub(crate) fn remove_seed(links: &Links, address: &Address) -> bool {
    let removed = {
        let mut seeds = links.seeds.lock();
        let at = seeds.iter().position(|seed| seed.address == *address);
        at.map(|at| seeds.remove(at))
    };
    let Some(seed) = removed else { return false };
    seed.given_up.cancel();
    links.seeds_changed.notify_waiters();
    true
}

/// Waits until one of the seeds is connected, or all have failed. Without seeds there is nothing to wait for.
///
/// # Errors
/// The address of a seed that failed, and why it did.
pub(crate) async fn joined(links: &Links) -> Result<(), (String, String)> {
    loop {
        let changed = links.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let mut failed = None;
        let mut trying = false;
        for seed in links.seeds() {
            match seed.state() {
                SeedState::Connected(_) => return Ok(()),
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
                () = links.network.life.stop.cancelled() => return Err((String::from("its seeds"), STOPPED.into())),
            },
            Some(failed) => return Err(failed),
            None => return Ok(()),
        }
    }
}

/// Keeps a connection to `seed` until that is given up. A connection that is open then stays until it ends.
async fn keep_seed(links: &Arc<Links>, seed: &Seed) {
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = tokio::select! {
            biased;
            outcome = dial(links, &seed.address, None, None) => outcome,
            () = seed.given_up.cancelled() => return,
        };
        let state = match outcome {
            Ok(opened) => {
                let peer = opened.peer.id.clone();
                let why = run(links, opened, || {
                    pause = FIRST_PAUSE;
                    seed.set(links, SeedState::Connected(peer));
                })
                .await;
                SeedState::Failed(why)
            }
            Err(Failed {
                error: OpenError::Handshake(HandshakeError::Myself { .. }),
                ..
            }) => {
                // Dropped, as protocol.md section 6 says.
                tracing::info!(target: "aemp::link", address = %seed.address, "the seed is this node itself");
                seed.set(links, SeedState::Itself);
                return;
            }
            Err(Failed {
                error,
                peer: Some(peer),
            }) if matches!(error, OpenError::Refused(_)) || peer.link().is_some() => {
                // There is another connection to the same node, which serves as well.
                if peer.link().is_some() {
                    seed.set(links, SeedState::Connected(peer.id.clone()));
                }
                tokio::select! {
                    biased;
                    () = peer.wait_down() => {}
                    () = seed.given_up.cancelled() => return,
                }
                SeedState::Failed(error.to_string())
            }
            Err(Failed { error, .. }) => {
                tracing::warn!(target: "aemp::link", address = %seed.address, error = %Excerpt(&error), "cannot connect to a seed");
                match error {
                    OpenError::Handshake(_) | OpenError::IdTaken(_) => {
                        SeedState::Refused(error.to_string())
                    }
                    _ => SeedState::Failed(error.to_string()),
                }
            }
        };
        seed.set(links, state);
        let wait = pause.mul_f64(links.entropy.between(0.5, 1.0));
        let longest = links.network.config.monitor_timeout.min(LONGEST_PAUSE);
        pause = (2 * pause).min(longest.max(FIRST_PAUSE));
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            () = seed.given_up.cancelled() => return,
        }
    }
}
