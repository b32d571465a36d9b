//! Where the deliberate faults of `aemp_proto::faults` break a peer.

use std::sync::Arc;
use std::time::Duration;

use super::{Link, Peer, State, Up};
use crate::Reason;
use aemp_proto::faults::{Fault, is, keep, kept};

/// How much later than it has to a monitor fires.
const LATE: Duration = Duration::from_secs(3);

impl Peer {
    fn way(&self) -> Option<[String; 2]> {
        let node = self.node.upgrade()?;
        Some([node.id.to_string(), self.id.to_string()])
    }

    /// Changes what waited for a connection that has just come up.
    pub(super) fn break_up(&self, state: &mut State, mut before: Link) -> Link {
        if let Link::Waiting(waiting) = &mut before {
            if is(Fault::LostAtReconnect) {
                waiting.queue.pop_front();
            }
            let len = waiting.queue.len();
            if is(Fault::Swapped) && len > 1 {
                waiting.queue.swap(len - 2, len - 1);
            }
        }
        if is(Fault::DeadGeneration)
            && let (Some(way), Link::Up(up)) = (self.way(), &mut state.link)
        {
            up.out.prepend(kept(&way));
        }
        before
    }

    /// Changes what a connection leaves behind that has just been lost.
    pub(super) fn break_down(self: &Arc<Self>, state: &mut State, up: &Up, text: &str) {
        if is(Fault::DeadGeneration)
            && let Some(way) = self.way()
        {
            keep(way, up.out.unwritten());
        }
        let reason = Reason::transport_error(&self.id, text);
        if is(Fault::FiresNever) {
            // All others fire as they should.
            let mut all = state.monitors.drain().into_iter();
            drop(all.next());
            if let Some(node) = self.node.upgrade() {
                all.for_each(|(port, action)| node.fire(&port, action, reason.clone()));
            }
        } else if is(Fault::FiresLate) {
            let all = state.monitors.drain();
            if let Some(node) = self.node.upgrade() {
                let late = node.clone();
                node.runtime.spawn(async move {
                    tokio::time::sleep(LATE).await;
                    for (port, action) in all {
                        late.fire(&port, action, reason.clone());
                    }
                });
            }
        }
    }

    /// Lets a kill go out before what was queued before it, which were so many bytes.
    pub(super) fn break_kill(&self, state: &mut State, before: usize) {
        if !is(Fault::KillOvertakes) {
            return;
        }
        match &mut state.link {
            Link::Waiting(waiting) => {
                if let Some(kill) = waiting.queue.pop_back() {
                    waiting.queue.push_front(kill);
                }
            }
            Link::Up(up) => up.out.last_first(before),
            Link::Down => {}
        }
    }
}
