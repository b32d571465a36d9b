//! `Mesh`: the other global nodes that a global node connects to, and when it tries them again.
//!
//! A node in the family `'g` is tried while it is there. Attempts to all nodes together are rate limited, because
//! any member can name any number of nodes. A node that was connected before is remembered for longer, so that the two
//! halves of a partitioned network find each other again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{NodeId, Text};

/// The first pause between attempts; it doubles up to `monitor_timeout`.
const FIRST_PAUSE: Duration = Duration::from_millis(1200);

/// Global nodes that are known at a time; each is tried again and again at the addresses that peers claim for it.
const MAX_KNOWN: usize = 1000;

/// How long a global node is remembered after it has left `'g` and was disconnected.
const RETENTION: Duration = Duration::from_secs(3600);

/// The rate limit of attempts: a burst of [`BURST`], then one for each [`INTERVAL`].
const BURST: u32 = 8;
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Mesh {
    known: BTreeMap<NodeId, Known>,
    /// The rate limit, as in the generic cell rate algorithm: when all attempts so far would have ended at one for each
    /// [`INTERVAL`].
    theoretical: Duration,
}

struct Known {
    /// The addresses that were last known.
    addresses: Vec<Text>,
    /// Whether the node is in `'g`.
    named: bool,
    state: State,
}

enum State {
    Up,
    Down {
        /// When the connection was lost, if there was one.
        lost: Option<Duration>,
        /// When to try next.
        next: Duration,
        pause: Duration,
    },
}

impl Mesh {
    /// Family `'g` has these nodes now. `is_up` says which of them are connected.
    pub(super) fn set_named(
        &mut self,
        now: Duration,
        nodes: impl Iterator<Item = NodeId>,
        is_up: impl Fn(&NodeId) -> bool,
    ) {
        self.known
            .values_mut()
            .for_each(|known| known.named = false);
        for node in nodes {
            if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&node) {
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

    /// A node is connected.
    pub(super) fn set_up(&mut self, node: &NodeId) {
        if let Some(known) = self.known.get_mut(node) {
            known.state = State::Up;
        }
    }

    /// A connected node is global.
    pub(super) fn add_connected(&mut self, now: Duration, node: &NodeId) {
        let known = self.known.entry(node.clone());
        known.or_insert_with(|| Known::new(now)).state = State::Up;
    }

    pub(super) fn set_down(&mut self, now: Duration, node: &NodeId) {
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

    /// A global node listens at these addresses.
    pub(super) fn set_addresses(&mut self, node: &NodeId, addresses: Vec<Text>) {
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
        nexts.min().map(|next| next.max(self.allowed()))
    }

    /// When the rate limit allows the next attempt.
    fn allowed(&self) -> Duration {
        self.theoretical.saturating_sub((BURST - 1) * INTERVAL)
    }

    /// The nodes to connect to now, with their addresses. `max_pause`: the longest pause between attempts to one node.
    pub(super) fn take_due(
        &mut self,
        now: Duration,
        max_pause: Duration,
    ) -> Vec<(NodeId, Vec<Text>)> {
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
        // The longest overdue first.
        due.sort_by_key(|(next, ..)| **next);
        let mut taken = Vec::new();
        for (next, pause, node, addresses) in due {
            if self.theoretical > now + (BURST - 1) * INTERVAL {
                break;
            }
            self.theoretical = self.theoretical.max(now) + INTERVAL;
            *next = now + *pause;
            *pause = (2 * *pause).min(max_pause.clamp(FIRST_PAUSE, RETENTION));
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
                !self.named && lost.is_none_or(|lost| now.saturating_sub(lost) > RETENTION)
            }
        }
    }
}
