//! About how much memory a message keeps, for the limits on what waits.

use super::{Body, Message};
use crate::Value;

impl Message {
    /// About how many bytes the message keeps alive.
    pub(crate) fn cost(&self) -> usize {
        match &self.0 {
            Body::Values(values) => size_of::<Self>() + cost_of(values),
            Body::Wire(wire) => size_of::<Self>() + wire.bytes().len(),
        }
    }
}

/// About how many bytes the values keep alive.
pub(crate) fn cost_of(values: &[Value]) -> usize {
    values.iter().map(cost_of_one).sum()
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
