//! What tasks wait for at a peer.

use super::{Link, Peer, State, Wait};

impl Peer {
    /// Waits until less than the high-water mark of bytes waits for this peer.
    pub(crate) async fn ready(&self, high_water: usize) {
        self.until(|state| state.link.queued() < high_water).await;
    }

    /// Waits until the link is up, or what waits as `wait` needs no connection any more.
    pub(crate) async fn settled(&self, wait: Wait) {
        self.until(|state| !state.waits(wait)).await;
    }

    /// Waits until no connection to or from this peer is being opened.
    pub(crate) async fn no_openings(&self) {
        self.until(|state| state.admission.is_empty()).await;
    }

    /// Waits until there is no link.
    pub(crate) async fn is_down(&self) {
        self.until(|state| !matches!(state.link, Link::Up(_))).await;
    }

    pub(super) async fn until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(&self.lock()) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};

    use super::*;
    use crate::peer::Pool;

    #[tokio::test]
    async fn a_connector_is_done_with_its_wait_and_has_no_say_in_the_next() {
        let pool = Arc::new(Pool::new(0));
        let peer = Peer::new(
            "p".parse().unwrap(),
            Weak::new(),
            &crate::Config::default(),
            &pool,
        );
        let begin = || peer.lock().wanted().unwrap();
        let first = begin();
        peer.unreachable(first, "no connection");
        let second = begin();
        peer.settled(first).await;
        peer.unreachable(first, "too late");
        assert!(peer.lock().waits(second) && peer.lock().wanted().is_none());
    }
}
