//! `Piece`: what is told of a family in one message.

use super::entry::size_of_entry;
use crate::{Map, Text, Value};

/// A part of what is in a family or has changed in it: what is set, and what is deleted after it.
#[derive(Debug, Default)]
pub(super) struct Piece {
    set: Vec<(Value, Value)>,
    deleted: Vec<Value>,
    bytes: usize,
}

impl Piece {
    /// Adds what is known of a key: its value, or that it is gone.
    pub(super) fn add(&mut self, key: &Text, value: Option<&Value>) {
        self.bytes += size_of_entry(key, value.unwrap_or(&Value::Null));
        match value {
            Some(value) => self.set.push((key.clone().into(), value.clone())),
            None => self.deleted.push(key.clone().into()),
        }
    }

    /// About how many bytes of a message it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_full(&self, full: usize) -> bool {
        self.bytes >= full
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.deleted.is_empty()
    }

    pub(super) fn into_parts(self) -> (Map, Vec<Value>) {
        (self.set.into(), self.deleted)
    }
}
