//! Closes a connection that nobody has needed for `idle_timeout`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Links;
use crate::Config;
use crate::peer::{Generation, Peer};

/// In so many steps the time is measured.
const STEPS: u32 = 4;

/// How many keepalives a peer has time for to say that it holds the connection ([`Peer::keepalive`]).
const KEEPALIVES: u32 = 3;

/// Waits until the connection has been idle for long enough, begins to close it, and says why.
pub(super) async fn idle(links: &Links, peer: &Arc<Peer>, generation: Generation) -> String {
    let Some(limit) = limit(&links.network.config) else {
        return std::future::pending().await;
    };
    let (mut last, mut since) = (None, Instant::now());
    loop {
        sleep(limit / STEPS).await;
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

/// Whether this node keeps a connection to `peer` as to a seed.
pub(super) fn is_seed(links: &Links, peer: &Peer) -> bool {
    links.connected_seeds().contains(&peer.id)
}

fn limit(config: &Config) -> Option<Duration> {
    let least = KEEPALIVES * config.keepalive();
    config.idle_timeout.map(|limit| limit.max(least))
}
