//! The conditions of a peer that tasks wait for.

use super::{Peer, State, Wait};
use crate::runtime::wait_until;

impl Peer {
    /// Waits until fewer bytes than `high_water` are queued for this peer.
    pub(crate) async fn ready(&self, high_water: usize) {
        self.wait_until(|state| state.machine.queued() < high_water)
            .await;
    }

    /// Waits until the link is up, or the messages that wait as `wait` need no connection any more.
    pub(crate) async fn wait_settled(&self, wait: Wait) {
        self.wait_until(|state| !state.machine.is_waiting(wait))
            .await;
    }

    /// Waits until no connection to or from this peer is being opened.
    pub(crate) async fn wait_no_openings(&self) {
        self.wait_until(|state| !state.machine.is_opening()).await;
    }

    /// Waits until there is no link.
    pub(crate) async fn wait_down(&self) {
        self.wait_until(|state| !state.machine.is_up()).await;
    }

    pub(super) async fn wait_until(&self, mut condition: impl FnMut(&mut State) -> bool) {
        wait_until(&self.changed, || condition(&mut self.lock())).await;
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ConnectError;
    use crate::peer::tests::network;

    #[tokio::test]
    async fn a_connector_cannot_fail_a_later_wait() {
        let network = network();
        let peer = network.peer(&"peer".parse().unwrap());
        let begin = || {
            let mut state = peer.lock();
            state.machine.want_connection();
            match state.machine.take_effects().pop() {
                Some(aemp_proto::peer::Effect::Connect(wait)) => wait,
                _ => panic!("a connection is wanted"),
            }
        };
        let first = begin();
        peer.unreachable(first, ConnectError::NotListening);
        let second = begin();
        peer.wait_settled(first).await;
        peer.unreachable(first, ConnectError::Stopped);
        assert!(peer.lock().machine.is_waiting(second));
    }
}
