//! `Machine`: sending messages to a peer, and monitors on its ports.

use std::fmt;
use std::sync::Arc;

use super::admission::Admission;
use super::effect::{Effect, Effects};
use super::link::{Connection, Generation, Link};
use super::pending::{PendingMessage, Wait};
use super::reservation::Pool;
use crate::codec::Frame;
use crate::monitor::{MonitorKey, MonitorTable};
use crate::node_protocol::{self as request, TraceContext};
use crate::value::EncodeError;
use crate::value::Values;
use crate::{NodeId, PortName, Reason, Value};

/// The state of this node for one peer; see the [module](super). `A` is the action of a monitor, `C` a connection.
///
/// After each call that takes `&mut self`, perform the effects that [`take_effects`](Self::take_effects) returns.
pub struct Machine<A, C> {
    pub(super) us: NodeId,
    pub(super) peer: NodeId,
    /// The most bytes that can be queued or pending.
    pub(super) queue_limit: usize,
    pub(super) pool: Arc<dyn Pool>,
    pub(super) link: Link<C>,
    pub(super) monitors: MonitorTable<A>,
    pub(super) admission: Admission,
    /// The generation of the last connection.
    pub(super) generation: Generation,
    pub(super) last_wait: Wait,
    pub(super) effects: Effects<A>,
    #[cfg(aemp_faults)]
    pub(super) injected: super::injected::Injected<A>,
}

impl<A, C: Connection> Machine<A, C> {
    /// The state of node `us` for node `peer`, without a connection. At most `queue_limit` bytes wait to be sent.
    pub fn new(us: NodeId, peer: NodeId, queue_limit: usize, pool: Arc<dyn Pool>) -> Self {
        Self {
            us,
            peer,
            queue_limit,
            pool,
            link: Link::Down,
            monitors: MonitorTable::default(),
            admission: Admission::default(),
            generation: 0,
            last_wait: Wait::default(),
            effects: Effects::new(),
            #[cfg(aemp_faults)]
            injected: super::injected::Injected::default(),
        }
    }

    /// Whether there are effects to perform. A send to a connection whose writer is not waiting has none.
    #[inline]
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes the effects of all calls since the last `take_effects`. To drop them is to lose monitors.
    #[must_use = "an effect that is not performed is a monitor that does not fire, or a task that is not woken"]
    pub fn take_effects(&mut self) -> Effects<A> {
        std::mem::take(&mut self.effects)
    }

    /// Queues a message on the connection, or keeps it pending until there is one.
    ///
    /// # Errors
    /// If the message cannot be encoded. A pending message is encoded when a connection is up; if its codec refuses the
    /// message then, the error is an [`Effect::NotSent`].
    #[inline]
    pub fn send(&mut self, frame: &Frame<'_>) -> Result<(), EncodeError> {
        match &mut self.link {
            Link::Up(up) if !up.is_closing() => {
                if up.out.should_yield() {
                    self.effects.push(Effect::Yield);
                }
                up.send(frame, self.queue_limit, &mut self.effects)
            }
            _ => self.keep(frame, None),
        }
    }

    /// As [`send`](Self::send), with the trace that the message belongs to: it precedes the message on a connection whose peer
    /// reads contexts, also where the message has to wait for the connection.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_traced(
        &mut self,
        context: Box<TraceContext>,
        frame: &Frame<'_>,
    ) -> Result<(), EncodeError> {
        match &mut self.link {
            Link::Up(up) if !up.is_closing() => {
                if up.out.should_yield() {
                    self.effects.push(Effect::Yield);
                }
                up.send_traced(&context, frame, self.queue_limit, &mut self.effects)
            }
            _ => self.keep(frame, Some(context)),
        }
    }

    /// Keeps a message pending until there is a connection.
    fn keep(
        &mut self,
        frame: &Frame<'_>,
        context: Option<Box<TraceContext>>,
    ) -> Result<(), EncodeError> {
        let message = PendingMessage {
            port: frame.port.into(),
            values: frame.to_values()?,
            own: false,
            context,
        };
        self.enqueue_pending(message);
        Ok(())
    }

    /// Sends a message that the node itself makes. It is never refused: elements that the codec cannot encode are
    /// replaced by their diagnostic text.
    pub fn send_own(&mut self, port: &PortName, values: Values) {
        if let Link::Up(up) = &mut self.link
            && !up.is_closing()
        {
            return up.send_fitting(port, &values, self.queue_limit, &mut self.effects);
        }
        self.enqueue_pending(PendingMessage {
            port: port.clone(),
            values,
            own: true,
            context: None,
        });
    }

    /// Sends a request to the peer's node port.
    pub(super) fn request(&mut self, values: Values) {
        self.send_own(&PortName::NODE_PORT, values);
    }

    /// Sends a request over connection `generation` only. Returns the number of bytes that were queued on the
    /// connection so far, including this request; `None` if the connection is not up, has failed or is closing: nothing
    /// is sent then.
    pub fn send_request_over(&mut self, generation: Generation, values: &Values) -> Option<u64> {
        let up = self.link.generation(generation)?;
        if up.is_closing() || up.is_shut() {
            return None;
        }
        let port = PortName::NODE_PORT;
        up.send_fitting(&port, values, self.queue_limit, &mut self.effects);
        Some(up.out.appended())
    }

    /// Kills a port of the peer.
    pub fn kill(&mut self, port: &PortName, reason: &Reason) {
        #[cfg(aemp_faults)]
        let before = self.queued();
        self.request(request::kil1(port, reason));
        #[cfg(aemp_faults)]
        self.inject_at_kill(before);
    }

    /// Monitors a port of the peer. The empty name monitors the connection to the peer, without a request ([protocol.md
    /// section 5]).
    ///
    /// [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol
    pub fn monitor(&mut self, port: &PortName, key: MonitorKey, action: A) {
        let is_first = self.monitors.add(port, key, action);
        if is_first && !port.is_node_port() {
            self.request(request::mon1(port));
        } else {
            self.want_connection();
        }
    }

    /// Removes a monitor. Returns its action for the caller to drop; `None` if the monitor has fired.
    pub fn unmonitor(&mut self, port: &PortName, key: MonitorKey) -> Option<A> {
        let (action, is_last) = self.monitors.remove(port, key)?;
        let is_last = is_last && !faulty!(KeepsMonitors);
        // Without a connection the peer does not watch the port.
        if is_last && !port.is_node_port() && !matches!(self.link, Link::Down) {
            self.request(request::mon0(port));
        }
        Some(action)
    }

    /// The generation of the last connection; 0 before the first.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The number of monitored ports of the peer.
    pub fn monitored(&self) -> usize {
        self.monitors.len()
    }

    /// A port of the peer has died, as the peer says. Returns the actions of its monitors, for the caller to run in
    /// this order; none if the port has no monitors here: the message and the end of a monitor may have crossed.
    #[must_use = "the monitors have to fire"]
    pub fn remote_port_died(&mut self, port: &PortName) -> impl Iterator<Item = A> + use<A, C> {
        self.monitors.fire(port)
    }

    /// A port of ours that the peer watches over connection `generation` has died.
    pub fn local_port_died(&mut self, generation: Generation, port: &PortName, reason: &Reason) {
        let Some(up) = self.link.generation(generation) else {
            return;
        };
        // If the connection is closing, the peer's monitors fire when it ends.
        if up.forget_watch(port) && !up.is_closing() {
            self.request(request::kil0(port, reason));
        }
    }

    /// Queues a keepalive on connection `generation` if its queue is empty. Normally that is `bytes`, the keepalive of
    /// the codec. If this node needs the connection and the peer cannot know (`is_wanted`, or a monitor on the node),
    /// it is an empty request instead: the peer ignores it, but it counts as a message, so the peer does not close the
    /// connection as idle. AnyEvent::MP nodes (`is_perl`) do not close idle connections and get no empty request.
    pub fn keepalive(
        &mut self,
        generation: Generation,
        bytes: &[u8],
        is_wanted: bool,
        is_perl: bool,
    ) {
        let is_wanted = is_wanted || self.monitors.contains_port(&PortName::NODE_PORT);
        let Some(up) = self.link.generation(generation) else {
            return;
        };
        if up.out.bytes() > 0 || up.out.is_closed {
            return;
        }
        if is_wanted && !is_perl {
            let port = PortName::NODE_PORT;
            let request = [Value::from("")];
            up.send_fitting(&port, &request, self.queue_limit, &mut self.effects);
        } else {
            up.out.buffer.extend_from_slice(bytes);
            up.out.wake(&mut self.effects);
        }
    }

    /// Whether there is no state for the peer: no connection, no opening, no monitor.
    pub fn is_idle(&self) -> bool {
        matches!(self.link, Link::Down) && self.monitors.is_empty() && self.admission.is_empty()
    }
}

impl<A, C> fmt::Debug for Machine<A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({})", self.peer)
    }
}
