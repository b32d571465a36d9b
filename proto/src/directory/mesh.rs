//! `Mesh`: the other global nodes that a global node keeps connections to, and when it tries them again.
//!
//! Those that are in the family `'g` are tried as long as they are there; all together only so often, as any member can
//! name as many as it likes. One that we were connected to is remembered
//! for longer, so that two halves of a network that fell in two find each other again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{NodeId, Text};

/// The first pause between attempts; it doubles up to `monitor_timeout`.
const FIRST_PAUSE: Duration = Duration::from_millis(1200);

/// So many global nodes are known at most: each is tried again and again, wherever somebody says that it listens.
const MOST: usize = 1000;

/// How long a global node is remembered that nobody names any more.
const MEMORY: Duration = Duration::from_secs(3600);

/// So many global nodes are tried at once, and then one each [`PACE`], however many there are.
const BURST: u32 = 8;
const PACE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Mesh {
    known: BTreeMap<NodeId, Known>,
    /// When all attempts so far have had their time.
    paid: Duration,
}

struct Known {
    /// Where it listened when that was last known.
    addresses: Vec<Text>,
    /// It is in `'g`.
    named: bool,
    /// Whether it is connected, or since when it is not.
    state: State,
}

enum State {
    Up,
    Down {
        /// When it was lost, if we ever had it.
        lost: Option<Duration>,
        next: Duration,
        pause: Duration,
    },
}

impl Mesh {
    /// These are the global nodes that somebody names now, of which some are connected.
    pub(super) fn named(
        &mut self,
        now: Duration,
        nodes: impl Iterator<Item = NodeId>,
        is_up: impl Fn(&NodeId) -> bool,
    ) {
        self.known
            .values_mut()
            .for_each(|known| known.named = false);
        for node in nodes {
            if self.known.len() >= MOST && !self.known.contains_key(&node) {
                continue;
            }
            let up = is_up(&node);
            let known = self.known.entry(node).or_insert_with(|| Known::new(now));
            known.named = true;
            if up {
                known.state = State::Up;
            }
        }
        self.known.retain(|_, known| !known.is_forgotten(now));
    }

    /// A node is up.
    pub(super) fn up(&mut self, node: &NodeId) {
        if let Some(known) = self.known.get_mut(node) {
            known.state = State::Up;
        }
    }

    /// A global node that is up.
    pub(super) fn met(&mut self, now: Duration, node: &NodeId) {
        let known = self.known.entry(node.clone());
        known.or_insert_with(|| Known::new(now)).state = State::Up;
    }

    pub(super) fn down(&mut self, now: Duration, node: &NodeId) {
        if let Some(known) = self.known.get_mut(node)
            && matches!(known.state, State::Up)
        {
            known.state = State::Down {
                lost: Some(now),
                next: now + FIRST_PAUSE / 2,
                pause: FIRST_PAUSE,
            };
        }
    }

    /// A global node listens there.
    pub(super) fn listens(&mut self, node: &NodeId, addresses: Vec<Text>) {
        if let Some(known) = self.known.get_mut(node)
            && !addresses.is_empty()
        {
            known.addresses = addresses;
        }
    }

    pub(super) fn due(&self) -> Option<Duration> {
        let nexts = self.known.values().filter_map(|known| match known.state {
            State::Down { next, .. } => Some(next),
            State::Up => None,
        });
        nexts.min().map(|next| next.max(self.free()))
    }

    /// From when on another attempt may begin.
    fn free(&self) -> Duration {
        self.paid.saturating_sub((BURST - 1) * PACE)
    }

    /// The nodes that are to be tried now, and where.
    pub(super) fn take(&mut self, now: Duration, longest: Duration) -> Vec<(NodeId, Vec<Text>)> {
        self.known.retain(|_, known| !known.is_forgotten(now));
        let mut due: Vec<_> = self
            .known
            .iter_mut()
            .filter_map(|(node, known)| match &mut known.state {
                State::Down { next, pause, .. } if *next <= now => {
                    Some((next, pause, node, &known.addresses))
                }
                _ => None,
            })
            .collect();
        // Who has waited longest goes first.
        due.sort_by_key(|(next, ..)| **next);
        let mut taken = Vec::new();
        for (next, pause, node, addresses) in due {
            if self.paid > now + (BURST - 1) * PACE {
                break;
            }
            self.paid = self.paid.max(now) + PACE;
            *next = now + *pause;
            *pause = (2 * *pause).min(longest.clamp(FIRST_PAUSE, MEMORY));
            taken.push((node.clone(), addresses.clone()));
        }
        taken
    }
}

impl Known {
    fn new(now: Duration) -> Self {
        Self {
            addresses: Vec::new(),
            named: false,
            state: State::Down {
                lost: None,
                next: now,
                pause: FIRST_PAUSE,
            },
        }
    }

    fn is_forgotten(&self, now: Duration) -> bool {
        match self.state {
            State::Up => false,
            State::Down { lost, .. } => {
                !self.named && lost.is_none_or(|lost| now.saturating_sub(lost) > MEMORY)
            }
        }
    }
}
