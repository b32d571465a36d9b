//! The deliberate faults of [`faults`](crate::faults) in a peer machine.

use bytes::BytesMut;

use super::effect::{Effect, Effects};
use super::link::{Connection, Generation, Link, Up};
use super::machine::Machine;
use crate::faults::{Fault, is};
use crate::{PortName, Reason};

/// State that faults carry over to the next connection.
pub(super) struct Injected<A> {
    /// Unwritten bytes of a lost connection.
    unwritten: BytesMut,
    /// Monitors that have not fired yet.
    late: Effects<A>,
}

impl<A> Default for Injected<A> {
    fn default() -> Self {
        Self {
            unwritten: BytesMut::new(),
            late: Effects::new(),
        }
    }
}

impl<A, C: Connection> Machine<A, C> {
    /// Alters the pending messages of a connection that has just come up.
    pub(super) fn inject_at_up(&mut self, mut before: Link<C>) -> Link<C> {
        if let Link::Connecting(pending) = &mut before {
            if is(Fault::LostAtReconnect) {
                pending.queue.pop_front();
            }
            let len = pending.queue.len();
            if is(Fault::Swapped) && len > 1 {
                pending.queue.swap(len - 2, len - 1);
            }
        }
        if let Link::Up(up) = &mut self.link {
            up.out.buffer = std::mem::take(&mut self.injected.unwritten);
        }
        before
    }

    /// Adds effects for a connection that has just come up.
    pub(super) fn inject_after_up(&mut self, generation: Generation) {
        self.effects.append(&mut self.injected.late);
        if is(Fault::UpTwice) {
            self.effects.push(Effect::Up(generation));
        }
    }

    /// Keeps the unwritten bytes of a connection that has just been lost.
    pub(super) fn inject_at_down(&mut self, up: &Up<C>) {
        if is(Fault::DeadGeneration) {
            self.injected.unwritten = up.out.buffer.clone();
        }
    }

    /// Alters which monitors of a lost connection fire.
    pub(super) fn inject_at_fire(&mut self, monitors: &mut Vec<(PortName, A)>, reason: &Reason) {
        if is(Fault::FiresNever) {
            monitors.remove(0);
        } else if is(Fault::FiresLate) {
            let late = Effect::Fire(std::mem::take(monitors), reason.clone());
            self.injected.late.push(late);
        }
    }

    /// Moves a kill to the front of the queue, which had `before` bytes.
    pub(super) fn inject_at_kill(&mut self, before: usize) {
        if !is(Fault::KillOvertakes) {
            return;
        }
        match &mut self.link {
            Link::Connecting(pending) => {
                if let Some(kill) = pending.queue.pop_back() {
                    pending.queue.push_front(kill);
                }
            }
            Link::Up(up) => {
                let queued = up.out.bytes();
                let buffer = &mut up.out.buffer;
                let kill = queued.saturating_sub(before).min(buffer.len());
                buffer.rotate_right(kill);
            }
            Link::Down => {}
        }
    }
}
