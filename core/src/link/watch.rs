//! Notices a peer that hangs: its machine answers for it, and it does nothing.
//!
//! A sign of life is any byte read. That a transport takes bytes is none: they lie in a buffer of this machine or the
//! peer's, which go on filling while the peer's program is stopped. So a peer that is silent is asked for the time now
//! and then, which every node answers (protocol.md section 5), AnyEvent::MP's as well. A question that has reached the
//! peer's machine has to be answered. One that is queued behind other bytes waits with them: as long as the peer's
//! machine goes on confirming those, the peer is slow and not silent. Where a transport cannot tell what is confirmed,
//! bytes taken that had waited count as a sign of life.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::shared::Shared;
use crate::Config;
use crate::deadline::Deadline;
use crate::peer::{Generation, Peer};
use crate::traffic::Pulse;

/// After which part of `monitor_timeout` in silence the peer is asked. The last sign of a peer that stops is at most
/// so old; so it counts as dead after four to five fifths and not later than after all of the time.
const ASK: u32 = 5;

/// In which part of `monitor_timeout` a peer has to confirm bytes while a question waits behind them. A stopped peer's
/// machine confirms what it has room for, so all of the time would be too long.
const CONFIRM: u32 = 2;

/// Into how many parts `monitor_timeout` is divided by looks at what is confirmed.
const LOOKS: u32 = 20;

/// Waits until the peer counts as hung, and says so.
pub(super) async fn hung(
    config: &Config,
    peer: &Arc<Peer>,
    generation: Generation,
    pulse: &Pulse,
    stream: &Shared,
) -> String {
    if !config.hung_check {
        return std::future::pending().await;
    }
    let limit = config.monitor_timeout;
    let ask = limit / ASK;
    let mut confirmed = Confirmed::new();
    loop {
        let (silence, unasked) = (pulse.silence(), pulse.unasked());
        if pulse.is_parked() {
            // It may say what it likes: we do not listen.
            pause(ask, ask, pulse).await;
            continue;
        }
        confirmed.look(pulse.written(), stream);
        if silence >= limit && !confirmed.comes_closer(pulse.question(), limit / CONFIRM) {
            return format!("no sign of life within {limit:?} (monitor_timeout)");
        }
        let asked = unasked < silence;
        if (silence >= ask && !asked) || unasked >= limit {
            peer.ping(generation);
        }
        let next = match ask.checked_sub(silence) {
            Some(left) if !left.is_zero() => left,
            _ => limit
                .saturating_sub(silence)
                .clamp(limit / LOOKS / 4, limit / LOOKS),
        };
        pause(next, ask, pulse).await;
    }
}

/// How far the peer's machine has confirmed what was written.
struct Confirmed {
    bytes: u64,
    /// When it had confirmed more than before.
    grew: Instant,
}

impl Confirmed {
    fn new() -> Self {
        Self {
            bytes: 0,
            grew: Instant::now(),
        }
    }

    fn look(&mut self, written: u64, stream: &Shared) {
        let Some(unconfirmed) = stream.unconfirmed() else {
            // Then questions are never known to be under way.
            self.bytes = u64::MAX;
            return;
        };
        // Bytes of the opening may be among those that are not confirmed.
        let bytes = written.saturating_sub(unconfirmed);
        if bytes > self.bytes {
            self.bytes = bytes;
            self.grew = Instant::now();
        }
    }

    /// Whether a question that ends at byte `question` is still under way to the peer, and has come closer within
    /// `time`.
    fn comes_closer(&self, question: u64, time: Duration) -> bool {
        self.bytes < question && self.grew.elapsed() < time
    }
}

/// Sleeps for `time`. If that takes far longer, it was this process that hung, and what peers have sent meanwhile is
/// still to be read: they begin anew.
async fn pause(time: Duration, late: Duration, pulse: &Pulse) {
    let wake = Deadline::after(time);
    wake.wait().await;
    if wake.plus(late).has_come(Instant::now()) {
        pulse.alive();
    }
}
