//! Who may complete a connection to a peer when there are several at once.
//!
//! The rule is [`rivals`](crate::handshake::rivals); here is the table it works on, and the waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Generation, Link, Peer};
use crate::handshake::Role;
use crate::handshake::rivals::{First, Verdict, decide};
use crate::message::Values;
use crate::{NodeId, PortId, Value};

/// How long a connection that is open already has for a sign of life before another may replace it.
const PROBE: Duration = Duration::from_secs(3);

/// How long an opening whose peer has not proved itself may hold another one up: whoever answers at an address can take
/// the name of a node, and would keep the real one out for `opening_timeout`.
const UNPROVED: Duration = Duration::from_secs(3);

/// The openings of connections to one peer, in the order that they came. One that we dialled takes part from the
/// peer's greeting on, one that we accepted only when the peer is verified: until then nothing of ours has gone
/// out, and a stranger who takes the peer's name must not stand in its way.
#[derive(Default)]
pub(crate) struct Admission {
    openings: Vec<Entry>,
    last: u64,
}

struct Entry {
    key: u64,
    role: Role,
    stage: Stage,
    /// Whether the peer holds connections back by the same rule.
    peer_holds: bool,
    /// Whether the peer has proved itself.
    proved: bool,
    /// When the opening came as far as `stage` and `proved` say.
    since: Instant,
    /// The latest connection when this one came.
    before: Generation,
}

/// How far an opening may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It takes part.
    Greeted,
    /// We dialled, and our auth line may go out.
    AuthSent,
    /// The peer is verified, and the connection may come up.
    Completing,
}

/// An opening that takes part in the choice until it is dropped.
pub(crate) struct Opening {
    peer: Arc<Peer>,
    key: u64,
}

/// There is another connection to the same node, which is alive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{:?} has another connection that is open and alive: it connected twice, or two nodes have this ID", .0.as_str())]
pub(crate) struct Refused(NodeId);

impl Peer {
    /// Registers an opening to or from this peer.
    pub(crate) fn opening(self: &Arc<Self>, role: Role, peer_holds: bool) -> Opening {
        let mut state = self.lock();
        let before = state.generation;
        let admission = &mut state.admission;
        admission.last += 1;
        let key = admission.last;
        admission.openings.push(Entry {
            key,
            role,
            stage: Stage::Greeted,
            peer_holds,
            proved: role == Role::Acceptor,
            since: Instant::now(),
            before,
        });
        Opening {
            peer: self.clone(),
            key,
        }
    }
}

impl Opening {
    /// Waits until this opening may go on to `stage`.
    pub(crate) async fn permit(&self, stage: Stage) -> Result<(), Refused> {
        loop {
            let changed = self.peer.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.look(stage) {
                Look::Go => return Ok(()),
                Look::Wait(None) => changed.await,
                Look::Wait(Some(until)) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(until) => {}
                },
                Look::Close => return Err(self.refused()),
                Look::Probe(generation) => {
                    if self.peer.is_alive(generation).await {
                        return Err(self.refused());
                    }
                    let why = "no answer within 3 s when the same node connected anew";
                    self.peer.end_link(generation, why).await;
                }
            }
        }
    }

    fn refused(&self) -> Refused {
        Refused(self.peer.id.clone())
    }

    fn look(&self, stage: Stage) -> Look {
        let Some(us) = self.peer.node.upgrade().map(|node| node.id.clone()) else {
            return Look::Close;
        };
        let mut state = self.peer.lock();
        let open = match &state.link {
            // It brings what the peer has sent before: that comes first.
            Link::Up(up) if up.is_closing() => return Look::Wait(None),
            Link::Up(up) => Some(up.generation),
            _ => None,
        };
        state
            .admission
            .look(self.key, stage, open, &us, &self.peer.id)
    }
}

enum Look {
    Go,
    /// Until something changes, or for no longer than this.
    Wait(Option<Instant>),
    Probe(Generation),
    Close,
}

impl Admission {
    pub(super) fn is_empty(&self) -> bool {
        self.openings.is_empty()
    }

    fn look(
        &mut self,
        key: u64,
        stage: Stage,
        open: Option<Generation>,
        us: &NodeId,
        peer: &NodeId,
    ) -> Look {
        let Some(own) = self.openings.iter().position(|entry| entry.key == key) else {
            return Look::Close;
        };
        let now = Instant::now();
        self.openings[own].prove(stage, now);
        let verdict = |first: &Entry, stage, second: &Entry| {
            decide(us, peer, first.peer_holds, first.role, stage, second.role)
        };
        let me = &self.openings[own];
        if let Some(generation) = open {
            // One that came up while this was held is the one that was waited for.
            return match verdict(me, First::Open, me) {
                Verdict::ProbeFirst if generation <= me.before => Look::Probe(generation),
                _ => Look::Close,
            };
        }
        let holders = self.openings.iter().enumerate().filter(|(at, other)| {
            if *at == own {
                return false;
            }
            let (first, second) = if *at < own {
                (*other, me)
            } else {
                (me, *other)
            };
            let first_stage = if first.stage == Stage::Greeted {
                First::Greeted
            } else {
                First::AuthSent
            };
            let hold_me = if *at < own {
                Verdict::HoldSecond
            } else {
                Verdict::HoldFirst
            };
            other.stage == Stage::Completing || verdict(first, first_stage, second) == hold_me
        });
        let untils: Vec<Option<Instant>> = holders
            .map(|(_, other)| other.holds_until(me))
            .filter(|until| until.is_none_or(|until| until > now))
            .collect();
        if !untils.is_empty() {
            return Look::Wait(untils.into_iter().flatten().min());
        }
        let me = &mut self.openings[own];
        if me.stage != stage {
            (me.stage, me.since) = (stage, now);
        }
        Look::Go
    }
}

impl Entry {
    /// The opening wants to go on to `stage`: for the last one its peer has proved itself.
    fn prove(&mut self, stage: Stage, now: Instant) {
        if stage == Stage::Completing && !self.proved {
            (self.proved, self.since) = (true, now);
        }
    }

    /// Until when this opening may hold `other` up; `None` if its peer has proved itself, and it is decided soon.
    fn holds_until(&self, other: &Self) -> Option<Instant> {
        let since = match other.proved {
            // However many come that are not proved.
            true => self.since.min(other.since),
            false => self.since,
        };
        (!self.proved).then(|| since + UNPROVED)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.peer
            .lock()
            .admission
            .openings
            .retain(|entry| entry.key != self.key);
        self.peer.changed.notify_waiters();
    }
}

impl Peer {
    /// Whether the connection `generation` shows a sign of life within [`PROBE`].
    async fn is_alive(self: &Arc<Self>, generation: Generation) -> bool {
        let Some(node) = self.node.upgrade() else {
            return false;
        };
        // `snd` is the generic echo, and the empty request is ignored (protocol.md section 5).
        let us = PortId::from(node.id.clone()).to_string();
        let echo: Values = ["snd", &us, ""].into_iter().map(Value::from).collect();
        let read = {
            let mut state = self.lock();
            let pulse = match &state.link {
                Link::Up(up) if up.generation == generation => up.info.pulse().clone(),
                _ => return false,
            };
            self.request(&mut state, echo);
            pulse.next_read()
        };
        tokio::time::timeout(PROBE, read).await.is_ok()
    }
}
