//! `Machine`: what programs and the node itself want of a peer.

use std::fmt;
use std::sync::Arc;

use super::admission::Admission;
use super::effect::{Effect, Effects};
use super::link::{Connection, Generation, Link};
use super::share::Pool;
use super::waiting::{Wait, Waited};
use crate::codec::Frame;
use crate::monitor::{MonitorKey, MonitorTable};
use crate::node_protocol as request;
use crate::value::EncodeError;
use crate::value::Values;
use crate::{NodeId, PortName, Reason, Value};

/// All that this node holds for one peer; see the [module](super). `A` is what a monitor does, `C` a connection.
///
/// After each call that changes something, [`take_effects`](Self::take_effects) has what is to be done.
pub struct Machine<A, C> {
    pub(super) us: NodeId,
    pub(super) peer: NodeId,
    /// Bytes that may wait to be sent.
    pub(super) queue_limit: usize,
    pub(super) pool: Arc<dyn Pool>,
    pub(super) link: Link<C>,
    pub(super) monitors: MonitorTable<A>,
    pub(super) admission: Admission,
    /// The connection that came up last.
    pub(super) generation: Generation,
    pub(super) last_wait: Wait,
    pub(super) effects: Effects<A>,
    #[cfg(aemp_faults)]
    pub(super) broken: super::broken::Broken<A>,
}

impl<A, C: Connection> Machine<A, C> {
    /// What node `us` holds for node `peer`: nothing yet. At most `queue_limit` bytes wait to be sent.
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
            broken: super::broken::Broken::default(),
        }
    }

    /// Whether there are effects to be performed. A send to a connection whose writer is at work has none.
    #[inline]
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// The effects of the calls since the last time.
    pub fn take_effects(&mut self) -> Effects<A> {
        std::mem::take(&mut self.effects)
    }

    /// Sends a message, or lets it wait for a connection.
    ///
    /// # Errors
    /// Where it cannot be encoded. One that waits may meet a codec that refuses it only later
    /// ([`Effect::NotSent`]).
    #[inline]
    pub fn send(&mut self, frame: &Frame<'_>) -> Result<(), EncodeError> {
        match &mut self.link {
            Link::Up(up) if !up.is_closing() => {
                if up.out.is_writer_late() {
                    self.effects.push(Effect::Yield);
                }
                up.send(frame, self.queue_limit, &mut self.effects)
            }
            _ => {
                let message = Waited {
                    port: frame.port.into(),
                    values: frame.to_values()?,
                    own: false,
                };
                self.let_wait(message);
                Ok(())
            }
        }
    }

    /// Sends a message of the node's own, which never fails to encode: an element that the codec lacks is replaced by
    /// its diagnostic text.
    pub fn tell(&mut self, port: &PortName, values: Values) {
        if let Link::Up(up) = &mut self.link
            && !up.is_closing()
        {
            return up.send_fitting(port, &values, self.queue_limit, &mut self.effects);
        }
        self.let_wait(Waited {
            port: port.clone(),
            values,
            own: true,
        });
    }

    /// Sends a request to the peer's node port.
    pub(super) fn request(&mut self, values: Values) {
        self.tell(&PortName::NODE_PORT, values);
    }

    /// Sends a request over connection `generation` and no other: nothing if that is not up, or is closing. Returns how
    /// many bytes have been queued on it so far, this request included.
    pub fn tell_over(&mut self, generation: Generation, values: &Values) -> Option<u64> {
        let up = self.link.generation(generation)?;
        if up.is_closing() {
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
        self.break_kill(before);
    }

    /// Monitors a port of the peer, or the peer itself (the empty name), for which no request is sent (protocol.md
    /// section 5).
    pub fn monitor(&mut self, port: &PortName, key: MonitorKey, action: A) {
        let is_first = self.monitors.add(port, key, action);
        if is_first && !port.is_node_port() {
            self.request(request::mon1(port));
        } else {
            self.want();
        }
    }

    /// Ends a monitor. Its action comes back to be dropped, unless it has fired.
    pub fn unmonitor(&mut self, port: &PortName, key: MonitorKey) -> Option<A> {
        let (action, is_last) = self.monitors.remove(port, key)?;
        #[cfg(aemp_faults)]
        let is_last = is_last && !crate::faults::is(crate::faults::Fault::KeepsMonitors);
        // Without a connection the peer does not watch.
        if is_last && !port.is_node_port() && !matches!(self.link, Link::Down) {
            self.request(request::mon0(port));
        }
        Some(action)
    }

    /// The connection that came up last; 0 before the first.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// How many ports of the peer are monitored.
    pub fn monitored(&self) -> usize {
        self.monitors.len()
    }

    /// The peer says that a port of its own has died. Returns false if nobody here monitors it: the news may have crossed
    /// the end of a monitor.
    pub fn died(&mut self, port: &PortName, reason: Reason) -> bool {
        let monitors = self.monitors.fire(port);
        let monitors: Vec<_> = monitors.map(|action| (port.clone(), action)).collect();
        let is_monitored = !monitors.is_empty();
        if is_monitored {
            self.effects.push(Effect::Fire(monitors, reason));
        }
        is_monitored
    }

    /// A port of ours that the peer watches over connection `generation` has died.
    pub fn port_died(&mut self, generation: Generation, port: &PortName, reason: &Reason) {
        let Some(up) = self.link.generation(generation) else {
            return;
        };
        // Where the connection is closing, the peer's monitors fire with its end.
        if up.forget_watch(port) && !up.is_closing() {
            self.request(request::kil0(port, reason));
        }
    }

    /// Lets a keepalive go out on connection `generation` if nothing else waits: the bytes of one, or, where this end
    /// has a use for the connection that the peer cannot see (`is_wanted`, or a monitor on the node), an empty request.
    /// That is ignored as well, but it is a message: a peer that closes idle connections leaves this one open.
    /// AnyEvent::MP nodes do not close any, so a `is_perl` peer gets none.
    pub fn keepalive(
        &mut self,
        generation: Generation,
        bytes: &[u8],
        is_wanted: bool,
        is_perl: bool,
    ) {
        let is_wanted = is_wanted || self.monitors.has(&PortName::NODE_PORT);
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

    /// Whether nothing is held for the peer.
    pub fn is_idle(&self) -> bool {
        matches!(self.link, Link::Down) && self.monitors.is_empty() && self.admission.is_empty()
    }
}

impl<A, C> fmt::Debug for Machine<A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({})", self.peer)
    }
}
