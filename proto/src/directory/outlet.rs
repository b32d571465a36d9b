//! `Outlet`: changes on their way to somebody, so paced that a storm of them costs a few messages.
//!
//! Only which keys have changed is kept; what is told of them is looked up when it goes out. So a key that changes a
//! thousand times meanwhile is told once, with its last value, and one that comes and goes is not told. The first change of
//! a family goes out at once. The next waits for [`SHORTEST`], and as long as more come, for twice as long each time.
//! Where nodes listen goes out before all else, so that who hears of a port can know where its node is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::name::LISTENERS;
use crate::Text;

/// Keys of a family that have changed since they were told last, each with whether it was there then.
pub(super) type Changed = BTreeMap<Text, bool>;

/// The pause after a message about a family, if nothing came for a while before.
const SHORTEST: Duration = Duration::from_millis(10);

/// The longest pause, while a storm lasts.
const LONGEST: Duration = Duration::from_millis(160);

/// How many keys go into one message.
pub(super) const MOST_KEYS: usize = 4096;

#[derive(Default)]
pub(super) struct Outlet {
    families: BTreeMap<Text, Pending>,
    /// When to look at which family again. Each family that is in `families` is here once.
    due: BTreeSet<(Duration, Text)>,
}

struct Pending {
    keys: Changed,
    due: Duration,
    pause: Duration,
}

impl Outlet {
    /// Notes that `key` has changed, and whether it was there before.
    pub(super) fn changed(&mut self, now: Duration, family: &Text, key: Text, before: bool) {
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

    /// When [`next`](Self::next) gives something, or has to be asked at least.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// What is not out yet, by family.
    pub(super) fn pending(&self) -> impl Iterator<Item = (&Text, &Changed)> {
        let families = self.families.iter();
        families.map(|(family, pending)| (family, &pending.keys))
    }

    /// Whether a change of `key` is not out yet.
    pub(super) fn is_pending(&self, family: &Text, key: &Text) -> bool {
        let pending = self.families.get(family);
        pending.is_some_and(|pending| pending.keys.contains_key(key))
    }

    /// The next family whose time has come.
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
            // Nothing came for a whole pause.
            self.due.pop_first();
            self.families.remove(&family);
        }
    }

    /// Which of the keys of a family have changed, of which so many are told now at `most`.
    pub(super) fn take(&mut self, now: Duration, family: &Text, most: usize) -> Changed {
        let Some(pending) = self.families.get_mut(family) else {
            return Changed::new();
        };
        // One by one: to split it off, the map would count all that is left.
        let first = std::iter::from_fn(|| pending.keys.pop_first());
        let keys = first.take(most.min(MOST_KEYS)).collect();
        pending.pause = (2 * pending.pause).clamp(SHORTEST, LONGEST);
        self.due.remove(&(pending.due, family.clone()));
        pending.due = now + pending.pause;
        if !pending.keys.is_empty() {
            // What is left over has waited, and goes out as fast as may be without filling the queues at once.
            pending.due = now
                + if most < MOST_KEYS {
                    Duration::ZERO
                } else {
                    SHORTEST
                };
        }
        self.due.insert((pending.due, family.clone()));
        keys
    }

    /// These keys did not fit into the message.
    pub(super) fn put_back(&mut self, now: Duration, family: &Text, keys: Changed) {
        if keys.is_empty() {
            return;
        }
        let Some(pending) = self.families.get_mut(family) else {
            return;
        };
        pending.keys.extend(keys);
        self.due.remove(&(pending.due, family.clone()));
        pending.due = now + SHORTEST;
        self.due.insert((pending.due, family.clone()));
    }

    /// Takes back all that is not out yet.
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
            let keys = self.take(now, &family, MOST_KEYS);
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
            outlet.changed(now, &family, format!("k{}", n % 7).into(), false);
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
        outlet.changed(at(0), &"f".into(), "a".into(), false);
        assert!(outlet.take_next(at(0)).is_some());
        outlet.changed(at(3), &"f".into(), "b".into(), false);
        assert!(outlet.take_next(at(3)).is_none());
        assert_eq!(outlet.due(), Some(at(10)));
        assert!(outlet.take_next(at(10)).is_some());
        assert!(outlet.take_next(at(30)).is_none());
        assert_eq!(outlet.due(), None);
        outlet.changed(at(31), &"f".into(), "c".into(), false);
        assert!(outlet.take_next(at(31)).is_some());
    }

    #[test]
    fn where_nodes_listen_goes_out_before_what_they_say() {
        let mut outlet = Outlet::default();
        for n in 0..3 {
            // So that its pause is longer.
            outlet.changed(at(40 * n), &LISTENERS.into(), "a".into(), true);
            outlet.take_next(at(40 * n)).unwrap();
        }
        outlet.changed(at(81), &LISTENERS.into(), "b".into(), false);
        assert_eq!(outlet.take_next(at(81)), None);
        outlet.changed(at(82), &"f".into(), "b#port".into(), false);
        assert_eq!(outlet.take_next(at(82)).unwrap().0, LISTENERS);
        assert_eq!(outlet.take_next(at(82)).unwrap().0, "f");
        assert_eq!(outlet.take_next(at(82)), None);
    }

    #[test]
    fn many_keys_go_out_in_several_messages_and_none_twice() {
        let mut outlet = Outlet::default();
        for n in 0..10_000 {
            outlet.changed(at(0), &"f".into(), n.to_string().into(), false);
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
