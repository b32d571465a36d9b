//! About how much memory a message keeps, for the limits on what waits.

use std::slice;

use super::{Body, Message};
use crate::value::Value;

/// About how many bytes the message keeps alive.
#[inline]
pub fn cost_of_message(message: &Message) -> usize {
    let body = match &message.0 {
        Body::Values(values) => cost_of(values),
        Body::Wire(wire) => wire.bytes().len(),
    };
    size_of::<Message>() + body
}

/// About how many bytes the values keep alive.
pub fn cost_of(values: &[Value]) -> usize {
    values.iter().map(cost_of_one).sum()
}

/// Whether the values keep at most `limit` bytes alive, by the same measure. However many they are, it looks at no more of
/// them than that.
pub(crate) fn costs_at_most(limit: usize, values: &[Value]) -> bool {
    left_of(limit, values).is_some()
}

fn left_of(limit: usize, values: &[Value]) -> Option<usize> {
    values.iter().try_fold(limit, |left, value| {
        let left = left.checked_sub(size_of::<Value>())?;
        match value {
            Value::Bytes(bytes) => left.checked_sub(bytes.len()),
            Value::Text(text) => left.checked_sub(text.len()),
            Value::Array(items) => left_of(left, items),
            Value::Map(map) => map.iter().try_fold(left, |left, (key, value)| {
                left_of(left_of(left, slice::from_ref(key))?, slice::from_ref(value))
            }),
            Value::Tag(_, value) => left_of(left, slice::from_ref(value)),
            _ => Some(left),
        }
    })
}

fn cost_of_one(value: &Value) -> usize {
    let content = match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        Value::Array(items) => cost_of(items),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| cost_of_one(key) + cost_of_one(value))
            .sum(),
        Value::Tag(_, value) => cost_of_one(value),
        _ => 0,
    };
    size_of::<Value>() + content
}
