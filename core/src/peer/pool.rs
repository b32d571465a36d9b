//! `Pool`: counts the bytes held for all peers of a node: queued messages, partly read messages, and monitors of peers.
//! One member can use many names, so a limit per peer is not enough. Above the limit the connection with the most bytes
//! is evicted, so that the others lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aemp_proto::peer::{self, STEP};
use tokio::sync::Notify;

use super::Network;

/// The count of bytes held for all peers of one node.
pub(crate) struct Pool {
    limit: usize,
    used: AtomicUsize,
    /// Notified when `used` is above `limit`.
    exceeded: Notify,
}

impl Pool {
    /// A pool of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
            exceeded: Notify::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit
    }
}

impl peer::Pool for Pool {
    fn reserve(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        if self.is_over() {
            self.exceeded.notify_one();
        }
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Whether a reader that may hold `most` bytes has to report that it now holds `bytes`.
#[inline]
pub(crate) fn is_recount_due(most: usize, bytes: usize) -> bool {
    bytes > most || bytes + 2 * STEP < most
}

/// Evicts the connection with the most bytes whenever the total is above `peers_limit`. Runs until the node stops.
pub(crate) async fn evict_largest(network: Arc<Network>) {
    let pool = &network.pool;
    let why = format!(
        "more than {} bytes are held for all peers (peers_limit), and most for this one",
        pool.limit
    );
    loop {
        tokio::select! {
            biased;
            () = network.life.stop.cancelled() => return,
            () = pool.exceeded.notified() => {}
        }
        while pool.is_over() {
            let peers = network.peers().into_iter();
            let peers = peers.map(|peer| {
                let pooled = peer.lock().machine.pooled();
                (pooled, peer)
            });
            match peers.max_by_key(|(used, _)| *used) {
                Some((used, peer)) if used > 0 => peer.with_machine(|machine| machine.evict(&why)),
                // The bytes were released in the meantime.
                _ => break,
            }
        }
    }
}
