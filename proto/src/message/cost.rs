//! The approximate memory of a message, for the limits on queues.

use std::slice;

use super::{Body, Message};
use crate::value::Value;

/// The approximate number of bytes that the message keeps alive.
#[inline]
pub fn cost_of_message(message: &Message) -> usize {
    let body = match &message.0 {
        Body::Values(values) => cost_of(values),
        Body::Wire(wire) => wire.bytes().len(),
    };
    size_of::<Message>() + body
}

/// The approximate number of bytes that the values keep alive.
pub fn cost_of(values: &[Value]) -> usize {
    values.iter().map(cost_of_one).sum()
}

/// Whether [`cost_of`] the values is at most `limit`. It visits no more values than the limit allows.
pub(crate) fn costs_at_most(limit: usize, values: &[Value]) -> bool {
    remaining_after(limit, values).is_some()
}

fn remaining_after(limit: usize, values: &[Value]) -> Option<usize> {
    values.iter().try_fold(limit, |remaining, value| {
        let remaining = remaining.checked_sub(size_of::<Value>())?;
        match value {
            Value::Bytes(bytes) => remaining.checked_sub(bytes.len()),
            Value::Text(text) => remaining.checked_sub(text.len()),
            Value::Array(items) => remaining_after(remaining, items),
            Value::Map(map) => map.iter().try_fold(remaining, |remaining, (key, value)| {
                remaining_after(
                    remaining_after(remaining, slice::from_ref(key))?,
                    slice::from_ref(value),
                )
            }),
            Value::Tag(_, value) => remaining_after(remaining, slice::from_ref(value)),
            _ => Some(remaining),
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
