//! Values, configurations and ports as they are shown, here and in the shell.

use std::fmt::Display;

use aemp::profile::Document;
use aemp::profile::{Key, ProfileError};
use aemp::{Map, Value};

use crate::failure::Failure;
use crate::network::Port;
use crate::output;

/// `value` for showing: secrets are `***`.
pub(crate) fn veiled(key: &str, value: &Value, reveal: bool) -> Value {
    let secret = Key::from_name(key).is_some_and(Key::is_secret);
    if secret && !reveal && !value.is_null() {
        "***".into()
    } else {
        value.clone()
    }
}

/// The same with all keys of `map`.
pub(crate) fn veiled_map(map: &Map, reveal: bool) -> Map {
    let veil = |(key, value): &(Value, Value)| {
        let name = key.as_str().unwrap_or_default();
        (key.clone(), veiled(name, value, reveal))
    };
    map.iter().map(veil).collect()
}

/// Prints `map` as one JSON object.
pub(crate) fn print_json(map: &Map) -> Result<(), Failure> {
    output::write(&format!("{}\n", json(&map.clone().into(), true)))
}

/// `value` as JSON, in one line or for people.
///
/// What JSON lacks stands in it as an object with one key, [`DIAGNOSTIC`], and the value in diagnostic notation: bytes, tags,
/// simple values, NaN and infinities, and maps with other keys than texts as a whole. A map that looks like such a stand-in
/// is shown as one, so that nothing is ambiguous.
pub(crate) fn json(value: &Value, pretty: bool) -> String {
    let whole = with_stand_ins(value);
    let written = if pretty {
        serde_json::to_string_pretty(&whole)
    } else {
        serde_json::to_string(&whole)
    };
    written.unwrap_or_else(|_| value.to_string())
}

/// `value` in one line: as JSON, or in diagnostic notation where it holds what JSON lacks.
pub(crate) fn line(value: &Value) -> String {
    let json = is_json(value).then(|| serde_json::to_string(value));
    json.and_then(Result::ok)
        .unwrap_or_else(|| value.to_string())
}

/// The key of what stands for a value that JSON lacks.
const DIAGNOSTIC: &str = "$diagnostic";

fn with_stand_ins(value: &Value) -> Value {
    let stand_in = || Map::from_iter([(DIAGNOSTIC, value.to_string())]).into();
    match value {
        Value::Array(items) => items.iter().map(with_stand_ins).collect::<Vec<_>>().into(),
        Value::Map(map) if map.iter().any(|(key, _)| key.as_str().is_none()) => stand_in(),
        Value::Map(map) if map.len() == 1 && map.get(DIAGNOSTIC).is_some() => stand_in(),
        Value::Map(map) => {
            let pairs = map.iter();
            let pairs = pairs.map(|(key, value)| (key.clone(), with_stand_ins(value)));
            pairs.collect::<Map>().into()
        }
        scalar if is_json(scalar) => scalar.clone(),
        _ => stand_in(),
    }
}

/// Whether JSON can say it.
fn is_json(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Text(_) => true,
        Value::Float(x) => x.is_finite(),
        Value::Array(items) => items.iter().all(is_json),
        Value::Map(map) => map
            .iter()
            .all(|(key, value)| key.as_str().is_some() && is_json(value)),
        Value::Bytes(_) | Value::Tag(..) | Value::Simple(_) => false,
    }
}

/// The error of a profile that the file does not have.
pub(crate) fn no_profile(document: &Document, name: &str) -> Failure {
    Failure::Value(ProfileError::no_profile(name, document.profile_names()))
}

/// Prints a message's elements: for people, separated by commas and without brackets (protocol.md section 10), or as one
/// JSON array.
pub(crate) fn print_elements(elements: &[Value], array: bool) -> Result<(), Failure> {
    if array {
        return output::write(&format!("{}\n", json(&elements.to_vec().into(), false)));
    }
    let each: Vec<String> = elements.iter().map(line).collect();
    output::write(&format!("{}\n", each.join(",")))
}

/// Elements in diagnostic notation.
pub(crate) fn notation(elements: &[Value]) -> String {
    let each: Vec<String> = elements.iter().map(ToString::to_string).collect();
    each.join(", ")
}

/// A line for each key with what belongs to it.
pub(crate) fn pairs<K: Display, V: Display>(pairs: impl IntoIterator<Item = (K, V)>) -> String {
    let lines = pairs.into_iter();
    lines
        .map(|(key, value)| format!("{key}  {value}\n"))
        .collect()
}

/// The ports as a map and as a table, in the order of their names.
pub(crate) fn ports(mut ports: Vec<Port>) -> (Map, String) {
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    let map = ports.iter().map(|port| {
        let numbers: Map = [
            ("messages", port.messages),
            ("queued", port.queued),
            ("watchers", port.watchers),
            ("monitors", port.monitors),
            ("tasks", port.tasks),
        ]
        .into_iter()
        .collect();
        (port.name.as_str(), Value::from(numbers))
    });
    (map.collect(), table(&ports))
}

fn table(ports: &[Port]) -> String {
    let longest = ports
        .iter()
        .map(|port| port.name.len())
        .max()
        .unwrap_or(0)
        .max(11);
    let mut text = format!(
        "{:longest$} {:>12} {:>8} {:>8} {:>8} {:>6}\n",
        "PORT", "MESSAGES", "QUEUED", "WATCHERS", "MONITORS", "TASKS"
    );
    for port in ports {
        let name = if port.name.is_empty() {
            "(node port)"
        } else {
            &port.name
        };
        text += &format!(
            "{name:longest$} {:>12} {:>8} {:>8} {:>8} {:>6}\n",
            port.messages, port.queued, port.watchers, port.monitors, port.tasks
        );
    }
    text
}
