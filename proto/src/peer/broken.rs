//! Where the deliberate faults of [`faults`](crate::faults) break a peer machine.

use bytes::BytesMut;

use super::effect::{Effect, Effects};
use super::link::{Connection, Generation, Link, Up};
use super::machine::Machine;
use crate::faults::{Fault, is};
use crate::{PortName, Reason};

/// What faults keep for the next connection.
pub(super) struct Broken<A> {
    /// Bytes that a lost connection had not written.
    unwritten: BytesMut,
    /// Monitors that have not fired yet.
    late: Effects<A>,
}

impl<A> Default for Broken<A> {
    fn default() -> Self {
        Self {
            unwritten: BytesMut::new(),
            late: Effects::new(),
        }
    }
}

impl<A, C: Connection> Machine<A, C> {
    /// Changes what waited for a connection that has just come up.
    pub(super) fn break_up(&mut self, mut before: Link<C>) -> Link<C> {
        if let Link::Waiting(waiting) = &mut before {
            if is(Fault::LostAtReconnect) {
                waiting.queue.pop_front();
            }
            let len = waiting.queue.len();
            if is(Fault::Swapped) && len > 1 {
                waiting.queue.swap(len - 2, len - 1);
            }
        }
        if let Link::Up(up) = &mut self.link {
            up.out.buffer = std::mem::take(&mut self.broken.unwritten);
        }
        before
    }

    /// Adds to what is done for a connection that has just come up.
    pub(super) fn break_after_up(&mut self, generation: Generation) {
        self.effects.append(&mut self.broken.late);
        if is(Fault::UpTwice) {
            self.effects.push(Effect::Up(generation));
        }
    }

    /// Keeps what a connection has not written that has just been lost.
    pub(super) fn break_down(&mut self, up: &Up<C>) {
        if is(Fault::DeadGeneration) {
            self.broken.unwritten = up.out.buffer.clone();
        }
    }

    /// Changes which monitors of a lost connection fire.
    pub(super) fn break_fire(&mut self, monitors: &mut Vec<(PortName, A)>, reason: &Reason) {
        if is(Fault::FiresNever) {
            monitors.remove(0);
        } else if is(Fault::FiresLate) {
            let late = Effect::Fire(std::mem::take(monitors), reason.clone());
            self.broken.late.push(late);
        }
    }

    /// Lets a kill go out before what was queued before it, which were so many bytes.
    pub(super) fn break_kill(&mut self, before: usize) {
        if !is(Fault::KillOvertakes) {
            return;
        }
        match &mut self.link {
            Link::Waiting(waiting) => {
                if let Some(kill) = waiting.queue.pop_back() {
                    waiting.queue.push_front(kill);
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
