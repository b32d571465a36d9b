//! Closes a connection that was not used for `idle_timeout`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Links;
use crate::Config;
use crate::peer::{Generation, Peer};

/// Checks for activity within one `idle_timeout`.
const CHECKS: u32 = 4;

/// The least idle time in keepalive intervals: the peer signals by its keepalives that it uses the connection
/// ([`Peer::keepalive`]).
const MIN_KEEPALIVES: u32 = 3;

/// Waits until the connection has been idle for the timeout, begins to close it, and returns the reason.
pub(super) async fn close_when_idle(
    links: &Links,
    peer: &Arc<Peer>,
    generation: Generation,
) -> String {
    let Some(limit) = limit(&links.network.config) else {
        return std::future::pending().await;
    };
    let (mut last, mut since) = (None, Instant::now());
    loop {
        sleep(limit / CHECKS).await;
        let seed = is_seed(links, peer);
        let mark = peer.idle_mark(generation, seed);
        if mark.is_none() || mark != last {
            (last, since) = (mark, Instant::now());
        } else if let Some(mark) = mark
            && since.elapsed() >= limit
        {
            let text = format!("no message within {limit:?} (idle_timeout)");
            if peer.close_idle(generation, seed, mark, &text) {
                return text;
            }
        }
    }
}

/// Whether `peer` is a connected seed of this node.
pub(super) fn is_seed(links: &Links, peer: &Peer) -> bool {
    links.connected_seeds().contains(&peer.id)
}

fn limit(config: &Config) -> Option<Duration> {
    let least = MIN_KEEPALIVES * config.keepalive();
    config.idle_timeout.map(|limit| limit.max(least))
}
