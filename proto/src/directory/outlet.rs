//! `Outlet`: coalesces changes and limits how often they are sent, so that many changes cost few messages.
//!
//! The outlet keeps the keys that have changed, and no values: the current value is looked up when the change is sent. A key
//! that changes a thousand times before that is sent once; a key that is set and deleted is not sent. The first change of a
//! family is sent at once. Later ones wait for [`MIN_PAUSE`], and the pause doubles while changes continue. The family of
//! listeners is sent before all others, so that a node that learns of a port can already know the address of its node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::name::LISTENERS;
use crate::Text;

/// Keys that have changed since they were last sent, each with whether it had a value then.
pub(super) type Changed = BTreeMap<Text, bool>;

/// The pause after the first message of a family.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause, reached while changes continue.
const MAX_PAUSE: Duration = Duration::from_millis(160);

/// Keys per message.
pub(super) const MAX_KEYS: usize = 4096;

#[derive(Default)]
pub(super) struct Outlet {
    families: BTreeMap<Text, Pending>,
    /// When each family is due. Has every family of `families` once.
    due: BTreeSet<(Duration, Text)>,
}

struct Pending {
    keys: Changed,
    due: Duration,
    pause: Duration,
}

impl Outlet {
    /// Records that `key` has changed. `before`: whether it had a value before the change.
    pub(super) fn record(&mut self, now: Duration, family: &Text, key: Text, before: bool) {
        if let Some(pending) = self.families.get_mut(family) {
            pending.keys.entry(key).or_insert(before);
            return;
        }
        self.due.insert((now, family.clone()));
        let pending = Pending {
            keys: Changed::from([(key, before)]),
            due: now,
            pause: Duration::ZERO,
        };
        self.families.insert(family.clone(), pending);
    }

    /// When to call [`next`](Self::next).
    pub(super) fn due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The changes that are not sent yet, by family.
    pub(super) fn pending(&self) -> impl Iterator<Item = (&Text, &Changed)> {
        let families = self.families.iter();
        families.map(|(family, pending)| (family, &pending.keys))
    }

    /// Whether a change of `key` is not sent yet.
    pub(super) fn is_pending(&self, family: &Text, key: &Text) -> bool {
        let pending = self.families.get(family);
        pending.is_some_and(|pending| pending.keys.contains_key(key))
    }

    /// The next family that is due.
    pub(super) fn next(&mut self, now: Duration) -> Option<Text> {
        loop {
            let (due, family) = self.due.first()?;
            if *due > now {
                return None;
            }
            if let Some(listeners) = self.families.get(LISTENERS)
                && !listeners.keys.is_empty()
            {
                return Some(Text::from_static(LISTENERS));
            }
            let family = family.clone();
            if !self.families.get(&family)?.keys.is_empty() {
                return Some(family);
            }
            // No change during a whole pause: the next one is sent at once.
            self.due.pop_first();
            self.families.remove(&family);
        }
    }

    /// Takes at most `max` changed keys of a family, and starts its pause.
    pub(super) fn take(&mut self, now: Duration, family: &Text, max: usize) -> Changed {
        let Some(pending) = self.families.get_mut(family) else {
            return Changed::new();
        };
        // `split_off` would count the keys that remain.
        let first = std::iter::from_fn(|| pending.keys.pop_first());
        let keys = first.take(max.min(MAX_KEYS)).collect();
        pending.pause = (2 * pending.pause).clamp(MIN_PAUSE, MAX_PAUSE);
        self.due.remove(&(pending.due, family.clone()));
        pending.due = now + pending.pause;
        if !pending.keys.is_empty() {
            // The remaining keys have waited already: send them soon, but not all at once, which would fill the queues.
            pending.due = now
                + if max < MAX_KEYS {
                    Duration::ZERO
                } else {
                    MIN_PAUSE
                };
        }
        self.due.insert((pending.due, family.clone()));
        keys
    }

    /// Puts keys back that did not fit into the message.
    pub(super) fn put_back(&mut self, now: Duration, family: &Text, keys: Changed) {
        if keys.is_empty() {
            return;
        }
        let Some(pending) = self.families.get_mut(family) else {
            return;
        };
        pending.keys.extend(keys);
        self.due.remove(&(pending.due, family.clone()));
        pending.due = now + MIN_PAUSE;
        self.due.insert((pending.due, family.clone()));
    }

    /// Drops all pending changes.
    pub(super) fn clear(&mut self) {
        self.families.clear();
        self.due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Outlet {
        fn take_next(&mut self, now: Duration) -> Option<(Text, Changed)> {
            let family = self.next(now)?;
            let keys = self.take(now, &family, MAX_KEYS);
            Some((family, keys))
        }
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_first_change_goes_out_at_once_and_a_storm_costs_a_few_messages() {
        let mut outlet = Outlet::default();
        let family = Text::from("f");
        let mut messages = 0;
        for n in 0..10_000_u64 {
            // Ten changes a millisecond, for a second.
            let now = Duration::from_micros(100 * n);
            outlet.record(now, &family, format!("k{}", n % 7).into(), false);
            while outlet.take_next(now).is_some() {
                messages += 1;
            }
            if n == 0 {
                assert_eq!(messages, 1);
            }
        }
        assert!((8..=12).contains(&messages), "{messages}");
        let (_, keys) = outlet.take_next(at(2000)).unwrap();
        assert!(!keys.is_empty() && keys.len() <= 7);
    }

    #[test]
    fn after_a_quiet_pause_nothing_is_kept_and_the_next_goes_out_at_once() {
        let mut outlet = Outlet::default();
        outlet.record(at(0), &"f".into(), "a".into(), false);
        assert!(outlet.take_next(at(0)).is_some());
        outlet.record(at(3), &"f".into(), "b".into(), false);
        assert!(outlet.take_next(at(3)).is_none());
        assert_eq!(outlet.due(), Some(at(10)));
        assert!(outlet.take_next(at(10)).is_some());
        assert!(outlet.take_next(at(30)).is_none());
        assert_eq!(outlet.due(), None);
        outlet.record(at(31), &"f".into(), "c".into(), false);
        assert!(outlet.take_next(at(31)).is_some());
    }

    #[test]
    fn where_nodes_listen_goes_out_before_what_they_say() {
        let mut outlet = Outlet::default();
        for n in 0..3 {
            // Makes the pause longer.
            outlet.record(at(40 * n), &LISTENERS.into(), "a".into(), true);
            outlet.take_next(at(40 * n)).unwrap();
        }
        outlet.record(at(81), &LISTENERS.into(), "b".into(), false);
        assert_eq!(outlet.take_next(at(81)), None);
        outlet.record(at(82), &"f".into(), "b#port".into(), false);
        assert_eq!(outlet.take_next(at(82)).unwrap().0, LISTENERS);
        assert_eq!(outlet.take_next(at(82)).unwrap().0, "f");
        assert_eq!(outlet.take_next(at(82)), None);
    }

    #[test]
    fn many_keys_go_out_in_several_messages_and_none_twice() {
        let mut outlet = Outlet::default();
        for n in 0..10_000 {
            outlet.record(at(0), &"f".into(), n.to_string().into(), false);
        }
        let mut all = BTreeSet::new();
        let mut messages = 0;
        while let Some(due) = outlet.due() {
            if let Some((family, keys)) = outlet.take_next(due) {
                messages += 1;
                let mut keys = keys.into_iter();
                let fits: Vec<_> = keys.by_ref().take(3000).collect();
                outlet.put_back(due, &family, keys.collect());
                let fits = fits.into_iter().map(|(key, _)| key);
                fits.for_each(|key| assert!(all.insert(key)));
            }
        }
        assert_eq!((messages, all.len()), (4, 10_000));
    }
}
