//! Statistics and counters of a peer's connection, and whether it is idle.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Generation, Peer, is_held};
use crate::traffic::{ConnectionInfo, ConnectionStats, Pulse, Traffic};

/// The number of messages that have crossed a connection in both directions. Two equal marks mean that none crossed it in
/// between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActivityMark(u64);

impl super::State {
    fn idle_mark(&mut self, generation: Generation, is_seed: bool) -> Option<ActivityMark> {
        let is_in_use = is_seed || self.is_persistent;
        if is_in_use || !self.machine.is_unused(generation) {
            return None;
        }
        let connection = self.machine.connection_of(generation)?;
        let messages = connection
            .info
            .pulse()
            .payload_messages(connection.sent.messages);
        Some(ActivityMark(messages))
    }
}

impl Peer {
    /// Sets whether the connection to this peer is kept open although no message may be sent over it.
    pub(crate) fn set_persistent(&self, persistent: bool) {
        self.lock().is_persistent = persistent;
    }

    /// The mark of the connection `generation`; `None` while it is in use. `is_seed` says whether the peer is a connected
    /// seed of this node.
    pub(crate) fn idle_mark(&self, generation: Generation, is_seed: bool) -> Option<ActivityMark> {
        let can_reconnect = self.addresses_lock().can_reconnect();
        let mark = || self.lock().idle_mark(generation, is_seed);
        can_reconnect.then(mark).flatten()
    }

    /// Begins to close the connection `generation` for the reason `why`, if no message has crossed it since `mark` and
    /// it is not in use. Returns whether it does.
    pub(crate) fn close_idle(
        self: &Arc<Self>,
        generation: Generation,
        is_seed: bool,
        mark: ActivityMark,
        why: &str,
    ) -> bool {
        let mut state = self.lock();
        let is_idle = self.addresses_lock().can_reconnect()
            && state.idle_mark(generation, is_seed) == Some(mark)
            && state.machine.close_idle(generation, why);
        self.settle(state);
        is_idle
    }

    fn with_pulse<R>(&self, generation: Generation, call: impl FnOnce(&Pulse) -> R) -> Option<R> {
        let mut state = self.lock();
        let connection = state.machine.connection_of(generation)?;
        Some(call(connection.info.pulse()))
    }

    /// Counts messages over the connection `generation` that were only signs of life and no use of it.
    pub(crate) fn count_probes(&self, generation: Generation, count: u64) {
        self.with_pulse(generation, |pulse| pulse.count_probes(count));
    }

    /// Counts a request over the connection `generation` that this node does not understand.
    pub(crate) fn count_odd(&self, generation: Generation) {
        self.with_pulse(generation, Pulse::count_odd);
    }

    /// Counts a request or relay over the connection `generation` that this node has refused.
    pub(crate) fn count_refused(&self, generation: Generation) {
        self.with_pulse(generation, Pulse::count_refused);
    }

    /// The peer answers the ping `number` over the connection `generation`. Returns false if that ping was not sent.
    pub(crate) fn pong(&self, generation: Generation, number: u64) -> bool {
        let is_expected = self.with_pulse(generation, |pulse| pulse.pong(number));
        is_expected.unwrap_or(false)
    }

    /// The statistics of the link, if it is up.
    pub(crate) fn stats(&self) -> Option<ConnectionStats> {
        let state = self.lock();
        let machine = &state.machine;
        let connection = machine.connection()?;
        let pulse = connection.info.pulse();
        Some(ConnectionStats {
            info: connection.info.clone(),
            sent: connection.sent,
            received: Traffic {
                messages: pulse.messages(),
                bytes: pulse.bytes(),
            },
            queued: machine.queued(),
            last_read: pulse.since_read(),
            rtt: pulse.round_trip(),
            monitors: machine.monitored(),
            watches: machine.watches(),
            unknown_requests: pulse.odd(),
            refused: pulse.refused(),
        })
    }

    pub(super) fn last_link(&self) -> MutexGuard<'_, Option<ConnectionInfo>> {
        self.last_link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The link, if it is up.
    pub(crate) fn link(&self) -> Option<ConnectionInfo> {
        if is_held() {
            return self.last_link().clone();
        }
        let state = self.lock();
        let connection = state.machine.connection()?;
        Some(connection.info.clone())
    }
}
