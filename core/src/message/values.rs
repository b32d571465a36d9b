//! `Values`: a message's elements as dynamic values, the first few without an allocation.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::Value;

/// How many elements need no allocation.
const INLINE: usize = 1;

/// The elements of a message as dynamic values. Up to three need no allocation.
///
/// ```
/// use aemp_core::message::Values;
/// let mut values: Values = ["add", "one"].into_iter().collect();
/// values.push(41);
/// assert_eq!(values.len(), 3);
/// assert_eq!(values[0].as_str(), Some("add"));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Values(SmallVec<[Value; INLINE]>);

impl Values {
    /// No elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// No elements yet, and room for `n`.
    pub fn with_capacity(n: usize) -> Self {
        Self(SmallVec::with_capacity(n))
    }

    /// Appends an element.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.0.push(value.into());
    }

    /// The elements in a vector.
    pub fn into_vec(self) -> Vec<Value> {
        self.0.into_vec()
    }
}

impl Deref for Values {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [Value] {
        &mut self.0
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Into<Value>> FromIterator<T> for Values {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> Extend<T> for Values {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        self.0.extend(values.into_iter().map(Into::into));
    }
}

impl From<Vec<Value>> for Values {
    fn from(values: Vec<Value>) -> Self {
        Self(SmallVec::from_vec(values))
    }
}

impl From<&[Value]> for Values {
    fn from(values: &[Value]) -> Self {
        values.iter().cloned().collect()
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The elements of [`Values`], one by one.
#[derive(Debug)]
pub struct IntoIter(smallvec::IntoIter<[Value; INLINE]>);

impl IntoIter {
    /// Those that are left.
    pub fn as_slice(&self) -> &[Value] {
        self.0.as_slice()
    }
}

impl Iterator for IntoIter {
    type Item = Value;
    fn next(&mut self) -> Option<Value> {
        self.0.next()
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

impl IntoIterator for Values {
    type Item = Value;
    type IntoIter = IntoIter;
    fn into_iter(self) -> IntoIter {
        IntoIter(self.0.into_iter())
    }
}

impl<'a> IntoIterator for &'a Values {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
