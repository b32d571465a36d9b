//! What tasks wait for at a peer.

use super::{Link, Peer, State};

impl Peer {
    /// Waits until less than the high-water mark of bytes waits for this peer.
    pub(crate) async fn ready(&self, high_water: usize) {
        self.until(|state| state.link.queued() < high_water).await;
    }

    /// Waits until the link is up, or messages need no connection any more.
    pub(crate) async fn settled(&self) {
        self.until(|state| !matches!(state.link, Link::Waiting(_)))
            .await;
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
