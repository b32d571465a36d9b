//! The directory machine, alone and in small networks without I/O.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg_attr(not(test), allow(dead_code))]

mod among;
mod net;
#[cfg(test)]
mod pacing;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod work;

pub use among::{Said, run};
use net::Net;

#[cfg(test)]
use crate::Value;

#[cfg(test)]
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
#[cfg(test)]
fn json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Object(_) => map(value),
        other => crate::value::to_value(&other).unwrap(),
    }
}
