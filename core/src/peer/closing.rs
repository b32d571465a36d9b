//! The orderly end of a connection, in which no message is lost: one that nobody needs any more is closed, and one whose
//! other end closes is emptied first.
//!
//! A connection that is *closing* is down for everybody but its task: it takes no more messages, and our monitors have
//! fired. What is sent now, and the monitors that are set, belong to the next one. That comes up when this one has ended:
//! until then openings are held (`admission`). What the peer sends is delivered up to its end.

use std::sync::Arc;

use super::waiting::Waiting;
use super::{Generation, Link, Peer, State, Up};
use crate::PortName;

/// How much has crossed a connection in both directions; equal marks mean that nothing has meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Peer {
    /// Whether a connection to this peer is wanted although nothing may be sent over it.
    pub(crate) fn keep(&self, keep: bool) {
        self.lock().kept = keep;
    }

    /// The directory has said where this peer listens, and will again.
    pub(crate) fn can_be_found(&self) {
        self.lock().findable = true;
    }

    /// What has crossed the connection `generation`; `None` while anything holds it. `seed` is whether the node keeps a
    /// connection to this peer as to a seed.
    pub(crate) fn idle_mark(&self, generation: Generation, seed: bool) -> Option<Mark> {
        self.lock().idle_mark(generation, seed)
    }

    /// Begins to close the connection `generation`, for the reason in `text`, if nothing has crossed it since `mark` and
    /// nothing holds it.
    pub(crate) fn close_idle(
        self: &Arc<Self>,
        generation: Generation,
        seed: bool,
        mark: Mark,
        text: &str,
    ) -> bool {
        let mut state = self.lock();
        // A question for a sign of life may be about to go out, or the peer about to connect anew.
        let busy = state.link.queued() > 0 || !state.admission.is_empty();
        let idle = !busy && state.idle_mark(generation, seed) == Some(mark);
        if idle {
            self.close(&mut state, generation, text);
        }
        idle
    }

    /// The peer has closed the connection `generation`, which is the loss of it: our monitors fire. What is queued still
    /// goes out, as the peer may read on.
    pub(crate) fn peer_closed(self: &Arc<Self>, generation: Generation, text: &str) {
        self.close(&mut self.lock(), generation, text);
    }

    fn close(self: &Arc<Self>, state: &mut State, generation: Generation, text: &str) {
        let wait = state.next_wait();
        match state.up(generation) {
            Some(up) if up.failed.is_none() => {
                up.out.close();
                up.closing.get_or_insert_with(|| Waiting::new(wait));
            }
            _ => return,
        }
        self.fire_all(state, text);
        self.say_down(generation, text);
        self.changed.notify_waiters();
    }

    /// So many messages over the connection `generation` were mere signs of life.
    pub(crate) fn count_probes(&self, generation: Generation, count: u64) {
        if let Some(up) = self.lock().up(generation) {
            up.info.pulse().count_probes(count);
        }
    }
}

impl State {
    fn idle_mark(&self, generation: Generation, seed: bool) -> Option<Mark> {
        let Link::Up(up) = &self.link else {
            return None;
        };
        let held = seed
            || self.kept
            || !self.monitors.is_empty()
            || up.watches > 0
            // Nobody would find the way back.
            || self.addresses.is_empty() && !self.findable;
        let usable = up.generation == generation && up.failed.is_none() && !up.is_closing();
        (usable && !held).then(|| Mark(up.info.pulse().crossed(up.sent.messages)))
    }

    /// Whether this end wants the connection and the peer cannot see it, as it does see monitors on its ports.
    pub(super) fn holds_unseen(&self, seed: bool) -> bool {
        seed || self.kept || self.monitors.has(&PortName::NODE_PORT)
    }
}

impl Link {
    /// Where messages go that have to wait for the next connection, if they have to.
    pub(super) fn waiting(&mut self) -> Option<&mut Waiting> {
        match self {
            Self::Waiting(waiting) => Some(waiting),
            // Lost with a connection that has failed, when our monitors fire.
            Self::Up(up) => up.closing.as_mut().filter(|_| up.failed.is_none()),
            Self::Down => None,
        }
    }
}

impl Up {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// What belongs to the next connection, if this one ends in order.
    pub(super) fn take_next(&mut self) -> Option<Waiting> {
        let next = self.closing.take();
        next.filter(|_| self.failed.is_none())
    }
}
