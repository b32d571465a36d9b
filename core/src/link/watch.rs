//! Notices a peer that hangs: its machine answers for it, and it does nothing.
//!
//! A sign of life is any byte read, or bytes taken that had waited. What the transport takes at once says nothing: it
//! lies in a buffer of this machine or the peer's. So a peer that is silent is asked for the time now and then, which
//! every node answers (protocol.md section 5), AnyEvent::MP's as well.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::pulse::Pulse;
use crate::Config;
use crate::deadline::Deadline;
use crate::peer::{Generation, Peer};

/// After which part of `monitor_timeout` in silence the peer is asked. The last sign of a peer that stops is at most
/// so old; so it counts as dead after four to five fifths and not later than after all of the time.
const ASK: u32 = 5;

/// Waits until the peer counts as hung, and says so.
pub(super) async fn hung(
    config: &Config,
    peer: &Arc<Peer>,
    generation: Generation,
    pulse: &Pulse,
) -> String {
    if !config.hung_check {
        return std::future::pending().await;
    }
    let limit = config.monitor_timeout;
    let ask = limit / ASK;
    loop {
        let (silence, unasked) = (pulse.silence(), pulse.unasked());
        if pulse.is_parked() {
            // It may say what it likes: we do not listen.
            pause(ask, ask, pulse).await;
            continue;
        }
        if silence >= limit {
            return format!("no sign of life within {limit:?} (monitor_timeout)");
        }
        let asked = unasked < silence;
        if (silence >= ask && !asked) || unasked >= limit {
            peer.ask(generation);
        }
        let next = if silence < ask {
            ask - silence
        } else {
            ask.min(limit - silence)
        };
        pause(next, ask, pulse).await;
    }
}

/// Sleeps for `time`. If that takes far longer, it was this process that hung, and what peers have sent meanwhile is
/// still to be read: they begin anew.
async fn pause(time: Duration, late: Duration, pulse: &Pulse) {
    let wake = Deadline::after(time);
    wake.wait().await;
    if wake.plus(late).has_come(Instant::now()) {
        pulse.progress();
    }
}
