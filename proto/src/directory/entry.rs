//! `Entry`: the values of one key, one for each node that holds it, and their size.

use crate::Value;

/// An owner, as its index in `Store::owners`.
pub(super) type OwnerIndex = u32;

/// The values of one key. Almost every key has one holder, which is stored inline.
pub(super) struct Entry {
    pub(super) first: Held,
    /// The values of the other holders, in the order in which they were set.
    #[allow(clippy::box_collection)] // An entry is smaller than a vector would be.
    pub(super) more: Option<Box<Vec<Held>>>,
}

pub(super) struct Held {
    pub(super) by: OwnerIndex,
    pub(super) value: Value,
}

impl Entry {
    pub(super) fn holders(&self) -> impl Iterator<Item = &Held> {
        std::iter::once(&self.first).chain(self.more.iter().flat_map(|more| more.iter()))
    }

    /// Replaces the value of the holder `held.by`, or adds it at the end, and returns the old value. Unless `keep_place`, a
    /// replaced value also moves to the end.
    pub(super) fn set(&mut self, held: Held, keep_place: bool) -> Option<Value> {
        if self.first.by == held.by {
            if let Some(second) = (!keep_place).then(|| self.take_second()).flatten() {
                let before = std::mem::replace(&mut self.first, second).value;
                self.more.get_or_insert_default().push(held);
                return Some(before);
            }
            return Some(std::mem::replace(&mut self.first, held).value);
        }
        let more = self.more.get_or_insert_default();
        let Some(at) = more.iter().position(|other| other.by == held.by) else {
            more.push(held);
            return None;
        };
        if keep_place {
            return Some(std::mem::replace(&mut more[at], held).value);
        }
        let before = more.remove(at).value;
        more.push(held);
        Some(before)
    }

    pub(super) fn take_second(&mut self) -> Option<Held> {
        let more = self.more.as_mut()?;
        let second = more.remove(0);
        if more.is_empty() {
            self.more = None;
        }
        Some(second)
    }

    pub(super) fn remove_later(&mut self, by: OwnerIndex) -> Option<Value> {
        let more = self.more.as_mut()?;
        let at = more.iter().position(|held| held.by == by)?;
        let value = more.remove(at).value;
        if more.is_empty() {
            self.more = None;
        }
        Some(value)
    }
}

/// The size of an entry as limits count it: approximately its bytes in JSON plus the memory of its values.
pub(super) fn size_of_entry(key: &str, value: &Value) -> usize {
    size_of_text(key) + size_of_value(value)
}

fn size_of_value(value: &Value) -> usize {
    let content = match value {
        Value::Text(text) => size_of_text(text),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(size_of_value).sum(),
        Value::Map(map) => {
            let pairs = map.iter();
            pairs
                .map(|(key, value)| size_of_value(key) + size_of_value(value))
                .sum()
        }
        Value::Tag(_, value) => size_of_value(value),
        _ => 0,
    };
    size_of::<Value>() + content
}

/// The bytes of a text in JSON, which writes a control character as six bytes and a quote or backslash as two.
fn size_of_text(text: &str) -> usize {
    let escaped = text.bytes().map(|byte| match byte {
        0..0x20 => 5,
        b'"' | b'\\' => 1,
        _ => 0,
    });
    text.len() + escaped.sum::<usize>()
}
