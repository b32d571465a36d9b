//! `Peers`: the peers that a node knows, by ID.

use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock};

use aemp_proto::map::HashMap;

use super::Peer;
use crate::NodeId;

/// So many peers are kept without a look at whether they are still of use.
const FEW: usize = 64;

/// Looked up for each message to another node, and changed rarely.
#[derive(Default)]
pub(super) struct Peers(RwLock<Known>);

#[derive(Default)]
struct Known {
    by_id: HashMap<NodeId, Arc<Peer>>,
    /// When so many are known, the idle ones are forgotten.
    sweep_at: usize,
}

thread_local! {
    /// The peer that this thread sent to last: most often it is the next as well, and to look one up and hold it costs
    /// as much as to encode half a message. While a thread keeps it, it is not forgotten, so there is never a second
    /// peer of that ID that gets messages as well.
    static LAST: Cell<Option<Arc<Peer>>> = const { Cell::new(None) };
}

/// Takes the peer that this thread sent to last. Give one back with [`keep_last`].
#[inline]
pub(crate) fn take_last() -> Option<Arc<Peer>> {
    // A thread that ends keeps none.
    LAST.try_with(Cell::take).ok().flatten()
}

#[inline]
pub(crate) fn keep_last(peer: Arc<Peer>) {
    let _ = LAST.try_with(|last| last.set(Some(peer)));
}

impl Peers {
    pub(super) fn get(&self, id: &NodeId) -> Option<Arc<Peer>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_id.get(id).cloned()
    }

    /// The peer called `id`, made by `new` if it is not known.
    pub(super) fn get_or_add(&self, id: &NodeId, new: impl FnOnce() -> Arc<Peer>) -> Arc<Peer> {
        if let Some(peer) = self.get(id) {
            return peer;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.by_id.len() >= known.sweep_at.max(FEW) {
            known.sweep();
        }
        known.by_id.entry(id.clone()).or_insert_with(new).clone()
    }

    /// All of them, by ID.
    pub(super) fn all(&self) -> Vec<Arc<Peer>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut peers: Vec<_> = known.by_id.values().cloned().collect();
        drop(known);
        peers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        peers
    }

    pub(super) fn clear(&self) {
        let known = std::mem::take(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner));
        // Without the lock: what is in there may be user code.
        drop(known);
    }
}

impl Known {
    /// Forgets the peers of which nothing is known or wanted any more, so that clients that come and go and names that
    /// strangers or mistakes bring up do not pile up. Since it waits until as many more have come as stayed the last
    /// time, it costs next to nothing.
    fn sweep(&mut self) {
        // Who holds one may be about to use it; nobody gets one meanwhile.
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
    async fn peers_that_come_and_go_do_not_pile_up_and_one_in_use_stays() {
        let peers = Peers::default();
        let add = |n: u32| {
            let id: NodeId = format!("client{n}").parse().unwrap();
            peers.get_or_add(&id, || stranger(&id))
        };
        let kept = add(0);
        for n in 1..10_000 {
            add(n);
            assert!(peers.all().len() <= FEW + 1);
        }
        assert!(Arc::ptr_eq(&kept, &add(0)));
    }

    #[tokio::test]
    async fn the_peer_that_a_thread_sent_to_last_is_not_forgotten() {
        let peers = Peers::default();
        let add = |n: u32| {
            let id: NodeId = format!("client{n}").parse().unwrap();
            peers.get_or_add(&id, || stranger(&id))
        };
        keep_last(add(0));
        for n in 1..1_000 {
            add(n);
        }
        assert!(Arc::ptr_eq(&take_last().unwrap(), &add(0)));
        assert!(take_last().is_none());
    }
}
