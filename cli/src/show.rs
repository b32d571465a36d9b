//! Values, configurations and ports as they are shown, here and in the shell.

use std::fmt::Display;

use aemp::profile::{Key, nearest};
use aemp::{Document, Map, Value};

use crate::failure::{Failure, meant};
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
pub(crate) fn json(value: &Value, pretty: bool) -> String {
    let written = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    // What came from JSON is JSON; were it not, its diagnostic notation still says what it is.
    written.unwrap_or_else(|_| value.to_string())
}

pub(crate) fn no_profile(document: &Document, name: &str) -> Failure {
    let nearest = meant(nearest(name, document.profile_names()));
    Failure::Failed(format!("there is no profile {name:?}{nearest}"))
}

/// Prints a message's elements as JSON: separated by commas and without brackets (protocol.md section 10), or as an
/// array. What JSON lacks is shown as diagnostic text.
pub(crate) fn print_elements(elements: &[Value], array: bool) -> Result<(), Failure> {
    let each: Vec<String> = elements
        .iter()
        .map(|element| json(element, false))
        .collect();
    let all = each.join(",");
    output::write(&match array {
        true => format!("[{all}]\n"),
        false => format!("{all}\n"),
    })
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
