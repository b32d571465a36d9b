//! `Batch`: the changes of one family that one message carries.

use super::entry::size_of_entry;
use crate::{Map, Text, Value};

/// Keys to set and, after them, keys to delete.
#[derive(Debug, Default)]
pub(super) struct Batch {
    set: Vec<(Value, Value)>,
    deleted: Vec<Value>,
    bytes: usize,
}

impl Batch {
    /// Adds a key: to be set if it has a value, to be deleted otherwise.
    pub(super) fn add(&mut self, key: &Text, value: Option<&Value>) {
        self.bytes += size_of_entry(key, value.unwrap_or(&Value::Null));
        match value {
            Some(value) => self.set.push((key.clone().into(), value.clone())),
            None => self.deleted.push(key.clone().into()),
        }
    }

    /// The approximate size in a message.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.bytes >= limit
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.deleted.is_empty()
    }

    pub(super) fn into_parts(self) -> (Map, Vec<Value>) {
        (self.set.into(), self.deleted)
    }
}
