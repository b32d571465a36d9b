//! `Map`: the pairs of a map in their original order.

use std::ops::Index;

use super::Value;
use crate::Text;

/// The pairs of key and value of a map, in the order in which they were added or received. A key can be any value.
/// Duplicate keys are kept, and [`get`](Map::get) returns the value of the last one, as AnyEvent::MP does
/// ([protocol.md section 3]).
///
/// ```
/// use aemp::{Map, Value};
/// let mut map: Map = [("a", 1), ("b", 2)].into_iter().collect();
/// assert_eq!(map["b"], Value::from(2));
/// map.insert("b", 3);
/// map.extend([("c", 4)]);
/// assert_eq!(map.values().filter_map(Value::as_i64).sum::<i64>(), 8);
/// ```
///
/// [protocol.md section 3]: crate::protocol#3-framings
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(Box<[(Value, Value)]>);

impl Map {
    /// A map without pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a text key, the last one if the key is duplicate. A linear search.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, v)| v)
    }

    /// Sets the value of a text key, and returns the one that it replaces. A new key comes last. Takes time in proportion
    /// to the map: to make a large one, collect it.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        let mut pairs = self.0.iter_mut().rev();
        match pairs.find(|(k, _)| k.as_str() == Some(&*key)) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.extend([(key, value)]);
                None
            }
        }
    }

    /// The keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    /// The pairs in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Value, Value)> {
        self.0.iter()
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the map has no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<(Value, Value)>> for Map {
    fn from(pairs: Vec<(Value, Value)>) -> Self {
        Self(pairs.into())
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }
}

/// Appends pairs; keys that are there are kept, as duplicates.
impl<K: Into<Value>, V: Into<Value>> Extend<(K, V)> for Map {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        let mut all = std::mem::take(&mut self.0).into_vec();
        all.extend(pairs.into_iter().map(|(k, v)| (k.into(), v.into())));
        self.0 = all.into();
    }
}

/// The value of a text key, or `Null` if there is none.
impl Index<&str> for Map {
    type Output = Value;
    fn index(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Value::Null)
    }
}

impl IntoIterator for Map {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Value, Value);
    type IntoIter = std::slice::Iter<'a, (Value, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
