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
#[inline]
pub fn cost_of(values: &[Value]) -> usize {
    let content = values.iter().map(content_of).sum::<usize>();
    size_of_val(values) + content
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

/// What the value keeps alive besides itself.
#[inline]
fn content_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Simple(_) => 0,
        _ => content_of_large(value),
    }
}

/// The same for bytes and for what has parts. A function of its own, so that the others need no stack frame.
#[inline(never)]
fn content_of_large(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(items) => cost_of(items),
        Value::Map(map) => {
            let pair = |(key, value): &(Value, Value)| content_of(key) + content_of(value);
            2 * size_of::<Value>() * map.len() + map.iter().map(pair).sum::<usize>()
        }
        Value::Tag(_, value) => size_of::<Value>() + content_of(value),
        _ => content_of(value),
    }
}
