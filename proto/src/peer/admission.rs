//! `Admission`: which opening may continue when there are several to the same peer at once.
//!
//! [`rivals`](crate::handshake::rivals) decides between two openings; this module applies it to all of them.

use std::time::Duration;

use super::effect::Effect;
use super::link::{Connection, Generation, Link};
use super::machine::Machine;
use crate::NodeId;
use crate::handshake::Role;
use crate::handshake::rivals::{First, Verdict, decide};

/// How long an opening with an unverified peer can hold back another one. Anyone who answers at an address can claim
/// the ID of a node, and could otherwise keep the real node out until the deadline of the opening.
const UNVERIFIED_TIMEOUT: Duration = Duration::from_secs(3);

/// The openings to one peer, in order of registration. A dialled opening is registered when the peer's greeting has
/// arrived, an accepted one when the peer is verified: before that this node has sent no auth line, and a stranger that
/// claims the peer's ID must not hold back the peer.
#[derive(Default)]
pub(super) struct Admission {
    openings: Vec<Opening>,
    last: OpeningKey,
}

/// The number of an opening.
pub type OpeningKey = u64;

struct Opening {
    key: OpeningKey,
    role: Role,
    stage: Stage,
    /// Whether the peer applies the same rule.
    peer_holds: bool,
    /// Whether the peer is verified.
    is_verified: bool,
    /// When `stage` or `is_verified` changed last.
    since: Duration,
    /// The generation of the last connection at registration.
    before: Generation,
}

/// A stage of an opening that needs admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The opening is registered.
    Greeted,
    /// This node dialled and sends its auth line.
    AuthSent,
    /// The peer is verified, and the connection comes up.
    Completing,
}

/// The decision about an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// Continue.
    Go,
    /// Ask again after the next [`Effect::Changed`], and at this time if there is one.
    Wait(Option<Duration>),
    /// This connection is up: probe it. If it answers, close the opening. If not, end the connection and ask again.
    Probe(Generation),
    /// Close the opening: another connection is used.
    Close,
}

impl<A, C: Connection> Machine<A, C> {
    /// Registers an opening to or from this peer. `peer_holds`: whether the peer applies the same rule. `now` is the
    /// time since any fixed moment.
    pub fn open(&mut self, role: Role, peer_holds: bool, now: Duration) -> OpeningKey {
        let admission = &mut self.admission;
        admission.last += 1;
        admission.openings.push(Opening {
            key: admission.last,
            role,
            stage: Stage::Greeted,
            peer_holds,
            is_verified: role == Role::Acceptor,
            since: now,
            before: self.generation,
        });
        admission.last
    }

    /// Decides whether the opening may enter `stage`.
    pub fn admit(&mut self, opening: OpeningKey, stage: Stage, now: Duration) -> Admitted {
        let up = match &self.link {
            // Messages that the peer has sent on the closing connection come first.
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

    /// Removes an opening that has ended or whose connection is up.
    pub fn close_opening(&mut self, opening: OpeningKey) {
        self.admission.openings.retain(|entry| entry.key != opening);
        self.effects.push(Effect::Changed);
    }

    /// Whether there are openings to or from this peer.
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
        self.openings[own].mark_verified(stage, now);
        let verdict = |first: &Opening, stage, second: &Opening| {
            decide(us, peer, first.peer_holds, first.role, stage, second.role)
        };
        let me = &self.openings[own];
        if let Some(generation) = up {
            // A connection that came up while this opening was held back replaces it.
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
    /// Marks the peer as verified if `stage` implies it.
    fn mark_verified(&mut self, stage: Stage, now: Duration) {
        if stage == Stage::Completing && !self.is_verified {
            (self.is_verified, self.since) = (true, now);
        }
    }

    /// Until when this opening can hold back `other`; `None` if its peer is verified, since then it completes or ends
    /// soon.
    fn holds_until(&self, other: &Self) -> Option<Duration> {
        let since = match other.is_verified {
            // Counted from the verified opening, so that many unverified ones cannot hold it back one after the other.
            true => self.since.min(other.since),
            false => self.since,
        };
        let has_limit = !self.is_verified && !faulty!(UnprovedHolds);
        has_limit.then(|| since + UNVERIFIED_TIMEOUT)
    }
}
