//! Detects a hung peer: its host acknowledges bytes, but its program does nothing.
//!
//! Any byte read is a sign of life. A write that succeeds is none: the bytes lie in a buffer of this host or the peer's,
//! and those accept bytes while the peer's program is stopped. So a silent peer is pinged by a `time` request, which
//! every node answers (protocol.md section 5), AnyEvent::MP's as well. A ping that has reached the peer's host has to
//! be answered. A ping that is queued after other bytes waits with them: while the peer's host acknowledges those, the
//! peer is slow and not silent. If a transport does not know which bytes are acknowledged, a write that succeeds after
//! it had to wait counts as a sign of life.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::shared::Shared;
use crate::Config;
use crate::deadline::Deadline;
use crate::peer::{Generation, Peer};
use crate::traffic::Pulse;

/// A ping is sent after this fraction (1/n) of `monitor_timeout` without a sign of life. When a peer stops, its last
/// sign of life is at most that old; so it counts as dead after 4/5 to 5/5 of `monitor_timeout`.
const PING_AFTER: u32 = 5;

/// The fraction (1/n) of `monitor_timeout` within which a peer's host has to acknowledge bytes while a ping waits after
/// them. The host of a stopped peer acknowledges bytes until its buffer is full, so the whole time would be too long.
const ACKNOWLEDGE_WITHIN: u32 = 2;

/// Checks of the acknowledged bytes within one `monitor_timeout`.
const CHECKS: u32 = 20;

/// Waits until the peer counts as hung. Returns the reason.
pub(super) async fn wait_until_hung(
    config: &Config,
    peer: &Arc<Peer>,
    generation: Generation,
    pulse: &Pulse,
    stream: &Shared,
) -> String {
    if !config.liveness_check {
        return std::future::pending().await;
    }
    let limit = config.monitor_timeout;
    let ping_after = limit / PING_AFTER;
    let mut acknowledged = Acknowledged::new();
    loop {
        let (silence, since_ping) = (pulse.since_alive(), pulse.since_ping());
        if pulse.is_parked() {
            // This node does not read, so it cannot see a sign of life.
            sleep_or_reset(ping_after, ping_after, pulse).await;
            continue;
        }
        acknowledged.update(pulse.written(), stream);
        if silence >= limit
            && !acknowledged.is_advancing(pulse.ping_end(), limit / ACKNOWLEDGE_WITHIN)
        {
            return format!("no sign of life within {limit:?} (monitor_timeout)");
        }
        let is_pinged = since_ping < silence;
        if (silence >= ping_after && !is_pinged) || since_ping >= limit {
            peer.ping(generation);
        }
        let next = match ping_after.checked_sub(silence) {
            Some(left) if !left.is_zero() => left,
            _ => limit
                .saturating_sub(silence)
                .clamp(limit / CHECKS / 4, limit / CHECKS),
        };
        sleep_or_reset(next, ping_after, pulse).await;
    }
}

/// The written bytes that the peer's host has acknowledged.
struct Acknowledged {
    bytes: u64,
    /// When `bytes` grew last.
    grew: Instant,
}

impl Acknowledged {
    fn new() -> Self {
        Self {
            bytes: 0,
            grew: Instant::now(),
        }
    }

    fn update(&mut self, written: u64, stream: &Shared) {
        let Some(unconfirmed) = stream.unconfirmed() else {
            // The transport does not know: treat all bytes as acknowledged.
            self.bytes = u64::MAX;
            return;
        };
        // Unacknowledged bytes may include those of the opening.
        let bytes = written.saturating_sub(unconfirmed);
        if bytes > self.bytes {
            self.bytes = bytes;
            self.grew = Instant::now();
        }
    }

    /// Whether a ping that ends at byte `ping_end` has not reached the peer's host yet, and bytes before it were
    /// acknowledged within `time`.
    fn is_advancing(&self, ping_end: u64, time: Duration) -> bool {
        self.bytes < ping_end && self.grew.elapsed() < time
    }
}

/// Sleeps for `time`. If that takes longer by `late`, this process itself hung and bytes of the peer may be unread: the
/// silence of the peer begins anew.
async fn sleep_or_reset(time: Duration, late: Duration, pulse: &Pulse) {
    let wake = Deadline::after(time);
    wake.wait().await;
    if wake.plus(late).has_passed(Instant::now()) {
        pulse.alive();
    }
}
