//! `Peers`: the map of a node's peers by ID.

use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock};

use aemp_proto::map::HashMap;

use super::Peer;
use crate::NodeId;

/// Peers below which no sweep for idle ones is made.
const MIN_SWEEP: usize = 64;

/// A read-write lock, since each message to another node looks up a peer and the map rarely changes.
#[derive(Default)]
pub(super) struct Peers(RwLock<Known>);

#[derive(Default)]
struct Known {
    by_id: HashMap<NodeId, Arc<Peer>>,
    /// The number of peers at which the idle ones are dropped.
    sweep_at: usize,
}

thread_local! {
    /// A cache of the last peer that this thread sent to: the next message mostly goes to the same one, and a lookup
    /// costs as much as encoding half a message. A peer in this cache is not swept, so there are never two peers with
    /// one ID.
    static LAST: Cell<Option<Arc<Peer>>> = const { Cell::new(None) };
}

/// Takes the peer that this thread sent to last out of the cache. [`cache_last`] puts one into it.
#[inline]
pub(crate) fn take_last() -> Option<Arc<Peer>> {
    // Fails while the thread ends: no cache then.
    LAST.try_with(Cell::take).ok().flatten()
}

#[inline]
pub(crate) fn cache_last(peer: Arc<Peer>) {
    let _ = LAST.try_with(|last| last.set(Some(peer)));
}

impl Peers {
    pub(super) fn get(&self, id: &NodeId) -> Option<Arc<Peer>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_id.get(id).cloned()
    }

    /// The peer `id`, created by `new` if it is not known.
    pub(super) fn get_or_add(&self, id: &NodeId, new: impl FnOnce() -> Arc<Peer>) -> Arc<Peer> {
        if let Some(peer) = self.get(id) {
            return peer;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.by_id.len() >= known.sweep_at.max(MIN_SWEEP) {
            known.sweep();
        }
        known.by_id.entry(id.clone()).or_insert_with(new).clone()
    }

    /// All peers, sorted by ID.
    pub(super) fn all(&self) -> Vec<Arc<Peer>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut peers: Vec<_> = known.by_id.values().cloned().collect();
        drop(known);
        peers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        peers
    }

    pub(super) fn clear(&self) {
        let known = std::mem::take(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner));
        // Without the lock: dropping a peer may run user code.
        drop(known);
    }
}

impl Known {
    /// Drops idle peers, so that short-lived clients and wrong names do not accumulate. It runs when the number of
    /// peers has doubled since the last sweep, so its amortised cost is constant.
    fn sweep(&mut self) {
        // A reference elsewhere means that the peer may be used soon. The write lock is held, so no new one appears.
        self.by_id
            .retain(|_, peer| Arc::strong_count(peer) > 1 || !peer.is_idle());
        self.sweep_at = 2 * self.by_id.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tests::network;

    fn stranger(id: &NodeId) -> Arc<Peer> {
        Peer::new(&network(), id.clone())
    }

    #[tokio::test]
    async fn short_lived_peers_do_not_accumulate_and_one_in_use_stays() {
        let peers = Peers::default();
        let add = |n: u32| {
            let id: NodeId = format!("client{n}").parse().unwrap();
            peers.get_or_add(&id, || stranger(&id))
        };
        let kept = add(0);
        for n in 1..10_000 {
            add(n);
            assert!(peers.all().len() <= MIN_SWEEP + 1);
        }
        assert!(Arc::ptr_eq(&kept, &add(0)));
    }

    #[tokio::test]
    async fn the_cached_peer_of_a_thread_is_not_dropped() {
        let peers = Peers::default();
        let add = |n: u32| {
            let id: NodeId = format!("client{n}").parse().unwrap();
            peers.get_or_add(&id, || stranger(&id))
        };
        cache_last(add(0));
        for n in 1..1_000 {
            add(n);
        }
        assert!(Arc::ptr_eq(&take_last().unwrap(), &add(0)));
        assert!(take_last().is_none());
    }
}
