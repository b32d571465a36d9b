//! What is known of a peer's connection: statistics, counts, and whether it is idle.

use std::sync::Arc;

use super::{Generation, Peer};
use crate::traffic::{LinkInfo, LinkStats, Pulse, Traffic};

/// How much has crossed a connection in both directions; equal marks mean that nothing has meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl super::State {
    fn idle_mark(&mut self, generation: Generation, is_seed: bool) -> Option<Mark> {
        let is_held = is_seed || self.is_kept || !self.addresses.lead_back();
        if is_held || !self.machine.is_unused(generation) {
            return None;
        }
        let connection = self.machine.connection_of(generation)?;
        let crossed = connection.info.pulse().crossed(connection.sent.messages);
        Some(Mark(crossed))
    }
}

impl Peer {
    /// Whether a connection to this peer is wanted although nothing may be sent over it.
    pub(crate) fn keep(&self, keep: bool) {
        self.lock().is_kept = keep;
    }

    /// What has crossed the connection `generation`; `None` while anything holds it. `is_seed` is whether the node keeps a
    /// connection to this peer as to a seed.
    pub(crate) fn idle_mark(&self, generation: Generation, is_seed: bool) -> Option<Mark> {
        self.lock().idle_mark(generation, is_seed)
    }

    /// Begins to close the connection `generation`, for the reason in `why`, if nothing has crossed it since `mark` and
    /// nothing holds it.
    pub(crate) fn close_idle(
        self: &Arc<Self>,
        generation: Generation,
        is_seed: bool,
        mark: Mark,
        why: &str,
    ) -> bool {
        let mut state = self.lock();
        let is_idle = state.idle_mark(generation, is_seed) == Some(mark)
            && state.machine.close_idle(generation, why);
        self.settle(state);
        is_idle
    }

    fn with_pulse<R>(&self, generation: Generation, with: impl FnOnce(&Pulse) -> R) -> Option<R> {
        let mut state = self.lock();
        let connection = state.machine.connection_of(generation)?;
        Some(with(connection.info.pulse()))
    }

    /// So many messages over the connection `generation` were mere signs of life.
    pub(crate) fn count_probes(&self, generation: Generation, count: u64) {
        self.with_pulse(generation, |pulse| pulse.count_probes(count));
    }

    /// A request came over connection `generation` that means nothing here.
    pub(crate) fn count_odd(&self, generation: Generation) {
        self.with_pulse(generation, Pulse::count_odd);
    }

    /// A request or relay that came over connection `generation` was not carried out.
    pub(crate) fn count_refused(&self, generation: Generation) {
        self.with_pulse(generation, Pulse::count_refused);
    }

    /// The peer answers our question `number` over connection `generation`. False if that was not asked.
    pub(crate) fn answered(&self, generation: Generation, number: u64) -> bool {
        let answered = self.with_pulse(generation, |pulse| pulse.answered(number));
        answered.unwrap_or(false)
    }

    /// What the link has done so far, while it is up.
    pub(crate) fn stats(&self) -> Option<LinkStats> {
        let state = self.lock();
        let machine = &state.machine;
        let connection = machine.connection()?;
        let pulse = connection.info.pulse();
        Some(LinkStats {
            link: connection.info.clone(),
            sent: connection.sent,
            received: Traffic {
                messages: pulse.messages(),
                bytes: pulse.bytes(),
            },
            queued: machine.queued(),
            last_read: pulse.unread(),
            round_trip: pulse.round_trip(),
            monitors: machine.monitored(),
            watches: machine.watches(),
            odd: pulse.odd(),
            refused: pulse.refused(),
        })
    }

    /// The link while it is up.
    pub(crate) fn link(&self) -> Option<LinkInfo> {
        let state = self.lock();
        let connection = state.machine.connection()?;
        Some(connection.info.clone())
    }
}
