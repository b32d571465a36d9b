//! `Values`: the elements of a message as dynamic values. One element needs no allocation.

use std::fmt;
use std::mem::take;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Value;
use super::spread::{Spread, serialize_fields};

/// The elements of a message as dynamic values. One needs no allocation.
///
/// ```
/// use aemp::Values;
/// let mut values: Values = ["add", "one"].into_iter().collect();
/// values.push(41);
/// assert_eq!(values.len(), 3);
/// assert_eq!(values[0].as_str(), Some("add"));
/// ```
#[derive(Clone, Default)]
pub struct Values(Repr);

/// As large as a value, because messages are moved more often than read; and with the layout of a value, so that a
/// processor can forward the stores of one to the loads of its move.
#[derive(Clone, Default)]
enum Repr {
    #[default]
    None,
    One(Value),
    /// Two or more elements.
    Few(Box<[Value]>),
    /// Any number of elements, and more are expected.
    #[allow(clippy::box_collection)] // The size is the point.
    Growing(Box<Vec<Value>>),
}

const _: () = assert!(size_of::<Values>() == size_of::<Value>());

impl Values {
    /// No elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// No elements, with capacity for `n`.
    pub fn with_capacity(n: usize) -> Self {
        if n <= 1 {
            return Self::default();
        }
        Self(Repr::Growing(Box::new(Vec::with_capacity(n))))
    }

    /// Appends an element.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.growing(1).push(value.into());
    }

    /// The elements as a vector with capacity for `more` further ones.
    fn growing(&mut self, more: usize) -> &mut Vec<Value> {
        if !matches!(self.0, Repr::Growing(_)) {
            let before = take(self);
            let mut values = Vec::with_capacity(before.len() + more);
            values.extend(before);
            self.0 = Repr::Growing(Box::new(values));
        }
        match &mut self.0 {
            Repr::Growing(values) => values,
            // Set above.
            _ => unreachable!(),
        }
    }

    /// The elements in a vector.
    pub fn into_vec(self) -> Vec<Value> {
        match self.0 {
            Repr::None => Vec::new(),
            Repr::One(value) => vec![value],
            Repr::Few(values) => values.into(),
            Repr::Growing(values) => *values,
        }
    }
}

/// Takes the next `len` elements from `from`.
#[inline]
pub fn next_of(from: &mut std::vec::Drain<'_, Value>, len: usize) -> Values {
    let mut next = || from.next().unwrap_or_default();
    // Written out for the common lengths: a vector checks its capacity for each element of an iterator.
    Values(match len {
        0 => Repr::None,
        1 => Repr::One(next()),
        2 => Repr::Few(Box::new([next(), next()])),
        3 => Repr::Few(Box::new([next(), next(), next()])),
        4 => Repr::Few(Box::new([next(), next(), next(), next()])),
        5 => Repr::Few(Box::new([next(), next(), next(), next(), next()])),
        _ => Repr::Few(from.take(len).collect()),
    })
}

/// Moves the elements of `values` to the end of `to`.
#[inline]
pub fn append(values: Values, to: &mut Vec<Value>) {
    match values.0 {
        Repr::None => {}
        Repr::One(value) => to.push(value),
        Repr::Few(values) => to.extend(values),
        Repr::Growing(mut values) => to.append(&mut values),
    }
}

impl Deref for Values {
    type Target = [Value];
    #[inline]
    fn deref(&self) -> &[Value] {
        match &self.0 {
            Repr::None => &[],
            Repr::One(value) => std::slice::from_ref(value),
            Repr::Few(values) => values,
            Repr::Growing(values) => values,
        }
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [Value] {
        match &mut self.0 {
            Repr::None => &mut [],
            Repr::One(value) => std::slice::from_mut(value),
            Repr::Few(values) => values,
            Repr::Growing(values) => values,
        }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Into<Value>> FromIterator<T> for Values {
    #[inline]
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values = values.into_iter();
        let Some(first) = values.next() else {
            return Self(Repr::None);
        };
        let Some(second) = values.next() else {
            return Self(Repr::One(first.into()));
        };
        let mut all = Vec::with_capacity(2 + values.size_hint().0);
        all.extend([first.into(), second.into()]);
        all.extend(values.map(Into::into));
        all.into()
    }
}

impl<T: Into<Value>> Extend<T> for Values {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        let values = values.into_iter();
        let all = self.growing(values.size_hint().0);
        all.extend(values.map(Into::into));
    }
}

impl From<Vec<Value>> for Values {
    #[inline]
    fn from(values: Vec<Value>) -> Self {
        if values.capacity() == values.len() {
            return Self(Repr::Few(values.into_boxed_slice()));
        }
        Self(Repr::Growing(Box::new(values)))
    }
}

impl From<&[Value]> for Values {
    fn from(values: &[Value]) -> Self {
        values.iter().cloned().collect()
    }
}

/// Like [`Spread`]: the elements of a message.
impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fields(self, serializer)
    }
}

/// Like [`Spread`]: all elements of a message, or all arguments of a handler.
impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spread::deserialize(deserializer).map(|Spread(values)| values.into())
    }
}

/// The elements of [`Values`], one by one.
#[derive(Debug)]
pub struct IntoIter(Left);

#[derive(Debug)]
enum Left {
    One(Option<Value>),
    More(std::vec::IntoIter<Value>),
}

impl IntoIter {
    /// The remaining elements.
    pub fn as_slice(&self) -> &[Value] {
        match &self.0 {
            Left::One(value) => value.as_slice(),
            Left::More(values) => values.as_slice(),
        }
    }
}

impl Iterator for IntoIter {
    type Item = Value;
    #[inline]
    fn next(&mut self) -> Option<Value> {
        match &mut self.0 {
            Left::One(value) => value.take(),
            Left::More(values) => values.next(),
        }
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.as_slice().len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for IntoIter {}

impl IntoIterator for Values {
    type Item = Value;
    type IntoIter = IntoIter;
    #[inline]
    fn into_iter(self) -> IntoIter {
        IntoIter(match self.0 {
            Repr::None => Left::One(None),
            Repr::One(value) => Left::One(Some(value)),
            Repr::Few(values) => Left::More(values.into_vec().into_iter()),
            Repr::Growing(values) => Left::More(values.into_iter()),
        })
    }
}

impl<'a> IntoIterator for &'a Values {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
