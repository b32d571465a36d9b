//! Cuts what is told of a family into messages that stay well below the limit on a message's size.

use super::store::size_of_entry;
use crate::{Map, Text, Value};

/// Bytes after which a message is full. A single entry is smaller (`DirectoryLimits::entry`).
pub(super) const FULL: usize = 4 << 20;

/// A part of a change: what is set, and what is deleted after it.
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

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= FULL
    }

    pub(super) fn into_parts(self) -> (Map, Vec<Value>) {
        (self.set.into(), self.deleted)
    }
}

/// Cuts entries into pieces. There is at least one, which may be empty.
pub(super) fn cut<'s>(
    entries: impl Iterator<Item = (&'s Text, Option<&'s Value>)>,
) -> impl Iterator<Item = Piece> {
    let mut entries = entries.peekable();
    let mut first = true;
    std::iter::from_fn(move || {
        let more = entries.peek().is_some();
        if !more && !std::mem::take(&mut first) {
            return None;
        }
        first = false;
        let mut piece = Piece::default();
        while !piece.is_full()
            && let Some((key, value)) = entries.next()
        {
            piece.add(key, value);
        }
        Some(piece)
    })
}
