//! What a supervisor such as systemd is told, at the socket that `NOTIFY_SOCKET` names (`sd_notify`). Without one nothing is said.

use std::time::Duration;

use sd_notify::NotifyState;

/// The node is ready.
pub(crate) fn tell_ready() {
    tell(NotifyState::Ready);
}

/// The node begins to stop.
pub(crate) fn tell_stopping() {
    tell(NotifyState::Stopping);
}

/// The node is live.
pub(crate) fn tell_live() {
    tell(NotifyState::Watchdog);
}

fn tell(state: NotifyState<'_>) {
    // The variable stays: a restarted node is the same process.
    if let Err(error) = sd_notify::notify(false, std::slice::from_ref(&state)) {
        tracing::warn!(target: "aemp::run", %error, "the supervisor cannot be told {state}");
    }
}

/// How often a supervisor that wants to be told that the node is live is told so: at half of the time after which it would
/// start it anew (`WATCHDOG_USEC`, `WATCHDOG_PID`).
pub(crate) fn live_period() -> Option<Duration> {
    let mut limit = 0;
    let is_wanted = sd_notify::watchdog_enabled(false, &mut limit) && limit > 0;
    // A millisecond at least: a timer takes no less.
    is_wanted.then(|| Duration::from_micros(limit / 2).max(Duration::from_millis(1)))
}
