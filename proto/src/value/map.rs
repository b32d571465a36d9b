//! `Map`: the pairs of a map in their original order.

use super::Value;

/// The pairs of key and value of a map, in the order in which they were added or received. A key can be any value.
/// Duplicate keys are kept, and [`get`](Map::get) returns the value of the last one, as AnyEvent::MP does
/// ([protocol.md section 3]).
///
/// ```
/// use aemp::{Map, Value};
/// let map: Map = [("a", 1), ("b", 2)].into_iter().collect();
/// assert_eq!(map.get("b"), Some(&Value::from(2)));
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
