//! The directory machine, alone and in small networks without I/O.

mod net;
mod pacing;
mod peers;
mod properties;
mod roles;
mod silence;
mod work;

use net::Net;

use crate::Value;

fn map(value: serde_json::Value) -> Value {
    let serde_json::Value::Object(pairs) = value else {
        panic!("no map: {value}");
    };
    Value::Map(
        pairs
            .into_iter()
            .map(|(key, value)| (key, json(value)))
            .collect(),
    )
}

/// Converts a JSON value.
fn json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Object(_) => map(value),
        other => crate::value::to_value(&other).unwrap(),
    }
}
