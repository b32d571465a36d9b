//! `Pool`: how many bytes are held for all peers of a node together: what waits to be sent to them, what was read of
//! messages that are not whole, and their monitors. One member can come under many names, so a limit for each is not
//! enough. Past the limit the connection goes that most is held for, so that others lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aemp_proto::peer::{self, STEP};
use tokio::sync::Notify;

use super::Network;

/// The bytes that are taken for all peers of one node.
pub(crate) struct Pool {
    limit: usize,
    taken: AtomicUsize,
    /// More is taken than there is.
    over: Notify,
}

impl Pool {
    /// Pool for so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: AtomicUsize::new(0),
            over: Notify::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.limit
    }
}

impl peer::Pool for Pool {
    fn take(&self, bytes: usize) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        if self.is_over() {
            self.over.notify_one();
        }
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Whether a reader that was told to hold `most` bytes has to say that it holds `bytes`.
#[inline]
pub(crate) fn is_recount_due(most: usize, bytes: usize) -> bool {
    bytes > most || bytes + 2 * STEP < most
}

/// Ends the connection that most is held for whenever more is held for all peers than `peers_limit`.
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
            () = pool.over.notified() => {}
        }
        while pool.is_over() {
            let peers = network.peers().into_iter();
            let peers = peers.map(|peer| {
                let pooled = peer.lock().machine.pooled();
                (pooled, peer)
            });
            match peers.max_by_key(|(taken, _)| *taken) {
                Some((taken, peer)) if taken > 0 => peer.with(|machine| machine.evict(&why)),
                // What was taken has just been given back.
                _ => break,
            }
        }
    }
}
