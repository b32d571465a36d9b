//! Openings to one peer in random numbers and orders: at most one completes at a time, and some opening can always
//! continue.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::codec::Frame;
use crate::handshake::Role;
use crate::peer::{Admitted, Connection, Machine, OpeningKey, Pool, Stage};
use crate::value::EncodeError;
use crate::value::Values;
use crate::{NodeId, Value};

struct Nowhere;

impl Connection for Nowhere {
    fn encode(&mut self, _: &Frame<'_>, _: &mut bytes::BytesMut) -> Result<(), EncodeError> {
        Ok(())
    }

    fn fit(&self, elements: &[Value]) -> Values {
        elements.iter().cloned().collect()
    }
}

struct Endless;

impl Pool for Endless {
    fn reserve(&self, _: usize) {}
    fn release(&self, _: usize) {}
}

fn machine(us: &str, peer: &str) -> Machine<(), Nowhere> {
    let id = |id: &str| id.parse::<NodeId>().unwrap();
    Machine::new(id(us), id(peer), 1000, Arc::new(Endless))
}

/// The stages of an opening, in order.
fn stages(role: Role) -> &'static [Stage] {
    match role {
        Role::Dialer => &[Stage::Greeted, Stage::AuthSent, Stage::Completing],
        Role::Acceptor => &[Stage::Completing],
    }
}

struct Tried {
    key: OpeningKey,
    role: Role,
    /// The number of stages that the opening has entered.
    gone: usize,
}

impl Tried {
    fn may_complete(&self) -> bool {
        self.gone == stages(self.role).len()
    }
}

proptest! {
    #[test]
    fn one_opening_completes_at_a_time_and_one_can_always_go_on(
        is_higher: bool,
        peer_holds: bool,
        steps in prop::collection::vec((0..6u8, any::<prop::sample::Index>()), 1..60),
    ) {
        let mut machine = if is_higher { machine("z", "m") } else { machine("a", "m") };
        let mut now = Duration::ZERO;
        let mut tried: Vec<Tried> = Vec::new();
        for (what, which) in steps {
            match what {
                0 | 1 => {
                    let role = if what == 0 { Role::Dialer } else { Role::Acceptor };
                    let key = machine.open(role, peer_holds, now);
                    tried.push(Tried { key, role, gone: 0 });
                }
                2 => now += Duration::from_secs(1),
                3 if !tried.is_empty() => {
                    let gone = tried.remove(which.index(tried.len()));
                    machine.close_opening(gone.key);
                }
                _ if !tried.is_empty() => {
                    let opening = which.get_mut(&mut tried);
                    if let Some(stage) = stages(opening.role).get(opening.gone)
                        && machine.admit(opening.key, *stage, now) == Admitted::Go
                    {
                        opening.gone += 1;
                    }
                }
                _ => {}
            }
            prop_assert!(tried.iter().filter(|opening| opening.may_complete()).count() <= 1);
        }
        // Openings continue until one may complete. Unverified ones hold others back for a limited time.
        for _ in 0..tried.len() * 3 {
            now += Duration::from_secs(4);
            for opening in &mut tried {
                if let Some(stage) = stages(opening.role).get(opening.gone)
                    && machine.admit(opening.key, *stage, now) == Admitted::Go
                {
                    opening.gone += 1;
                }
            }
        }
        let complete: Vec<_> = tried.iter().filter(|opening| opening.may_complete()).collect();
        prop_assert_eq!(complete.len(), usize::from(!tried.is_empty()));
        let Some(first) = complete.first() else { return Ok(()) };
        machine.up(1, Nowhere);
        machine.close_opening(first.key);
        // All others were registered before its connection, and are closed.
        for other in tried.iter().filter(|opening| !opening.may_complete()) {
            let stage = stages(other.role)[other.gone];
            prop_assert_eq!(machine.admit(other.key, stage, now), Admitted::Close);
        }
    }
}

#[test]
fn an_older_connection_is_asked_for_a_sign_of_life_when_the_peer_dials_anew() {
    let mut machine = machine("us", "peer");
    machine.up(7, Nowhere);
    let opening = machine.open(Role::Acceptor, true, Duration::ZERO);
    assert_eq!(
        machine.admit(opening, Stage::Completing, Duration::ZERO),
        Admitted::Probe(7)
    );
    machine.peer_closed(7, "closed");
    assert_eq!(
        machine.admit(opening, Stage::Completing, Duration::ZERO),
        Admitted::Wait(None)
    );
    machine.down(7, "closed");
    assert_eq!(
        machine.admit(opening, Stage::Completing, Duration::ZERO),
        Admitted::Go
    );
    let ours = machine.open(Role::Dialer, true, Duration::ZERO);
    assert!(matches!(
        machine.admit(ours, Stage::AuthSent, Duration::ZERO),
        Admitted::Wait(_)
    ));
}
