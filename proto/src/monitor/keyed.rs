//! `Keyed`: a sorted map from integer keys to values.

use smallvec::SmallVec;

/// A sorted map for few entries, and sometimes very many. Inserting is cheap if keys grow.
///
/// The entries are a sorted vector, in which a removed value leaves a gap. When more than half of the entries are gaps,
/// all of them are removed. So the amortised cost of a removal is that of a binary search.
#[derive(Debug)]
pub struct Keyed<T> {
    entries: SmallVec<[(u64, Option<T>); 1]>,
    gaps: usize,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self {
            entries: SmallVec::new(),
            gaps: 0,
        }
    }
}

/// The number of gaps that are not worth removing.
const MIN_GAPS: usize = 8;

impl<T> Keyed<T> {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.entries.len() - self.gaps
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, key: u64) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// Inserts a value, and replaces one with the same key.
    pub fn insert(&mut self, key: u64, value: T) {
        if self.entries.last().is_none_or(|(last, _)| *last < key) {
            return self.entries.push((key, Some(value)));
        }
        match self.find(key) {
            Ok(at) => {
                if self.entries[at].1.replace(value).is_none() {
                    self.gaps -= 1;
                }
            }
            Err(at) => self.entries.insert(at, (key, Some(value))),
        }
    }

    /// The value of `key`.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let at = self.find(key).ok()?;
        self.entries[at].1.as_mut()
    }

    /// Removes and returns the value of `key`.
    pub fn remove(&mut self, key: u64) -> Option<T> {
        let at = self.find(key).ok()?;
        let value = self.entries[at].1.take()?;
        self.gaps += 1;
        if self.gaps > self.len() + MIN_GAPS {
            self.entries.retain(|(_, value)| value.is_some());
            self.entries.shrink_to_fit();
            self.gaps = 0;
        }
        Some(value)
    }

    /// The values, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }
}

impl<T> IntoIterator for Keyed<T> {
    type Item = (u64, T);
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self.entries.into_iter())
    }
}

/// The values of a [`Keyed`] with their keys, in order.
#[derive(Debug)]
pub struct IntoIter<T>(smallvec::IntoIter<[(u64, Option<T>); 1]>);

impl<T> Iterator for IntoIter<T> {
    type Item = (u64, T);

    fn next(&mut self) -> Option<(u64, T)> {
        self.0.find_map(|(key, value)| Some((key, value?)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_in_order(steps in prop::collection::vec((any::<bool>(), 0..60u64), 0..300)) {
            let (mut keyed, mut map) = (Keyed::default(), BTreeMap::new());
            for (n, (insert, key)) in steps.into_iter().enumerate() {
                if insert {
                    keyed.insert(key, n);
                    map.insert(key, n);
                } else {
                    prop_assert_eq!(keyed.remove(key), map.remove(&key));
                }
                prop_assert_eq!(keyed.get_mut(key), map.get_mut(&key));
                prop_assert_eq!(keyed.len(), map.len());
                prop_assert!(keyed.entries.len() <= 2 * map.len() + MIN_GAPS + 1);
            }
            prop_assert!(keyed.iter().eq(map.values()));
            prop_assert!(keyed.into_iter().eq(map));
        }
    }
}
