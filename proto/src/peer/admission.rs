//! Which openings of connections may go on when there are several to the same peer at once.
//!
//! The rule between two is [`rivals`](crate::handshake::rivals); here is the table it works on.

use std::time::Duration;

use super::effect::Effect;
use super::link::{Connection, Generation, Link};
use super::machine::Machine;
use crate::NodeId;
use crate::handshake::Role;
use crate::handshake::rivals::{First, Verdict, decide};

/// How long an opening whose peer has not proved itself may hold another one up: whoever answers at an address can take
/// the name of a node, and would keep the real one out until the opening's deadline.
const UNPROVED: Duration = Duration::from_secs(3);

/// The openings of connections to one peer, in the order that they came. One that we dialled takes part from the
/// peer's greeting on, one that we accepted only when the peer is verified: until then nothing of ours has gone
/// out, and a stranger who takes the peer's name must not stand in its way.
#[derive(Default)]
pub(super) struct Admission {
    openings: Vec<Opening>,
    last: OpeningKey,
}

/// Which opening of a peer.
pub type OpeningKey = u64;

struct Opening {
    key: OpeningKey,
    role: Role,
    stage: Stage,
    /// Whether the peer holds connections back by the same rule.
    peer_holds: bool,
    /// Whether the peer has proved itself.
    is_proved: bool,
    /// When the opening came as far as `stage` and `is_proved` say.
    since: Duration,
    /// The latest connection when this one came.
    before: Generation,
}

/// How far an opening may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It takes part.
    Greeted,
    /// We dialled, and our auth line may go out.
    AuthSent,
    /// The peer is verified, and the connection may come up.
    Completing,
}

/// What an opening does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It goes on.
    Go,
    /// It asks again after [`Effect::Changed`], and at this time if there is one.
    Wait(Option<Duration>),
    /// This connection is up. It is asked for a sign of life. If there is none it is ended and the opening asks again;
    /// otherwise the opening closes.
    Probe(Generation),
    /// It closes: there is another connection.
    Close,
}

impl<A, C: Connection> Machine<A, C> {
    /// An opening to or from this peer takes part in the choice. `peer_holds` is whether the peer holds openings back
    /// by the same rule. `now` counts from any moment, the same for all calls.
    pub fn open(&mut self, role: Role, peer_holds: bool, now: Duration) -> OpeningKey {
        let admission = &mut self.admission;
        admission.last += 1;
        admission.openings.push(Opening {
            key: admission.last,
            role,
            stage: Stage::Greeted,
            peer_holds,
            is_proved: role == Role::Acceptor,
            since: now,
            before: self.generation,
        });
        admission.last
    }

    /// Whether the opening may go on to `stage`.
    pub fn admit(&mut self, opening: OpeningKey, stage: Stage, now: Duration) -> Admitted {
        let up = match &self.link {
            // What the peer has sent on it comes first.
            Link::Up(up) if up.is_closing() => return Admitted::Wait(None),
            Link::Up(up) => Some(up.generation),
            _ => None,
        };
        let Self {
            us,
            peer,
            admission,
            ..
        } = self;
        admission.admit(opening, stage, now, up, us, peer)
    }

    /// The opening has ended, or its connection is up.
    pub fn close_opening(&mut self, opening: OpeningKey) {
        self.admission.openings.retain(|entry| entry.key != opening);
        self.effects.push(Effect::Changed);
    }

    /// Whether a connection to or from this peer is being opened.
    pub fn is_opening(&self) -> bool {
        !self.admission.is_empty()
    }
}

impl Admission {
    pub(super) fn is_empty(&self) -> bool {
        self.openings.is_empty()
    }

    fn admit(
        &mut self,
        key: OpeningKey,
        stage: Stage,
        now: Duration,
        up: Option<Generation>,
        us: &NodeId,
        peer: &NodeId,
    ) -> Admitted {
        let Some(own) = self.openings.iter().position(|entry| entry.key == key) else {
            return Admitted::Close;
        };
        self.openings[own].prove(stage, now);
        let verdict = |first: &Opening, stage, second: &Opening| {
            decide(us, peer, first.peer_holds, first.role, stage, second.role)
        };
        let me = &self.openings[own];
        if let Some(generation) = up {
            // One that came up while this was held is the one that was waited for.
            return match verdict(me, First::Open, me) {
                Verdict::ProbeFirst if generation <= me.before => Admitted::Probe(generation),
                _ => Admitted::Close,
            };
        }
        let holds_me = |(at, other): &(usize, &Opening)| {
            let (first, second, hold_me) = match at.cmp(&own) {
                std::cmp::Ordering::Equal => return false,
                std::cmp::Ordering::Less => (*other, me, Verdict::HoldSecond),
                std::cmp::Ordering::Greater => (me, *other, Verdict::HoldFirst),
            };
            let first_stage = match first.stage {
                Stage::Greeted => First::Greeted,
                _ => First::AuthSent,
            };
            other.stage == Stage::Completing || verdict(first, first_stage, second) == hold_me
        };
        let holders = self.openings.iter().enumerate().filter(holds_me);
        let untils: Vec<Option<Duration>> = holders
            .map(|(_, other)| other.holds_until(me))
            .filter(|until| until.is_none_or(|until| until > now))
            .collect();
        if !untils.is_empty() {
            return Admitted::Wait(untils.into_iter().flatten().min());
        }
        let me = &mut self.openings[own];
        if me.stage != stage {
            (me.stage, me.since) = (stage, now);
        }
        Admitted::Go
    }
}

impl Opening {
    /// The opening wants to go on to `stage`: for the last one its peer has proved itself.
    fn prove(&mut self, stage: Stage, now: Duration) {
        if stage == Stage::Completing && !self.is_proved {
            (self.is_proved, self.since) = (true, now);
        }
    }

    /// Until when this opening may hold `other` up; `None` if its peer has proved itself, and it is decided soon.
    fn holds_until(&self, other: &Self) -> Option<Duration> {
        let since = match other.is_proved {
            // However many come that are not proved.
            true => self.since.min(other.since),
            false => self.since,
        };
        (!self.is_proved).then(|| since + UNPROVED)
    }
}
