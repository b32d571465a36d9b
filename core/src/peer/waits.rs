//! What tasks wait for at a peer.

use super::{Peer, State, Wait};

impl Peer {
    /// Waits until less than the high-water mark of bytes waits for this peer.
    pub(crate) async fn ready(&self, high_water: usize) {
        self.until(|state| state.machine.queued() < high_water)
            .await;
    }

    /// Waits until the link is up, or what waits as `wait` needs no connection any more.
    pub(crate) async fn settled(&self, wait: Wait) {
        self.until(|state| !state.machine.waits(wait)).await;
    }

    /// Waits until no connection to or from this peer is being opened.
    pub(crate) async fn no_openings(&self) {
        self.until(|state| !state.machine.is_opening()).await;
    }

    /// Waits until there is no link.
    pub(crate) async fn is_down(&self) {
        self.until(|state| !state.machine.is_up()).await;
    }

    pub(super) async fn until(&self, mut condition: impl FnMut(&mut State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(&mut self.lock()) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::peer::tests::network;

    #[tokio::test]
    async fn a_connector_is_done_with_its_wait_and_has_no_say_in_the_next() {
        let network = network();
        let peer = network.peer(&"peer".parse().unwrap());
        let begin = || {
            let mut state = peer.lock();
            state.machine.want();
            match state.machine.take_effects().pop() {
                Some(aemp_proto::peer::Effect::Connect(wait)) => wait,
                _ => panic!("a connection is wanted"),
            }
        };
        let first = begin();
        peer.unreachable(first, "no connection");
        let second = begin();
        peer.settled(first).await;
        peer.unreachable(first, "too late");
        assert!(peer.lock().machine.waits(second));
    }
}
