//! What the commands share that show a configuration.

use aemp::profile::{Key, nearest};
use aemp::{Document, Map, Value};

use crate::failure::{Failure, meant};
use crate::output;

/// `value` for showing: secrets are `***`.
pub(super) fn veiled(key: &str, value: &Value, reveal: bool) -> Value {
    let secret = Key::from_name(key).is_some_and(Key::is_secret);
    if secret && !reveal && !value.is_null() {
        "***".into()
    } else {
        value.clone()
    }
}

/// The same with all keys of `map`.
pub(super) fn veiled_map(map: &Map, reveal: bool) -> Map {
    let veil = |(key, value): &(Value, Value)| {
        let name = key.as_str().unwrap_or_default();
        (key.clone(), veiled(name, value, reveal))
    };
    map.iter().map(veil).collect()
}

/// Prints `map` as one JSON object.
pub(super) fn print_json(map: &Map) -> Result<(), Failure> {
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

pub(super) fn no_profile(document: &Document, name: &str) -> Failure {
    let nearest = meant(nearest(name, document.profile_names()));
    Failure::Failed(format!("there is no profile {name:?}{nearest}"))
}

/// Prints a message's elements as JSON: separated by commas and without brackets (protocol.md section 10), or as an
/// array. What JSON lacks is shown as diagnostic text.
pub(super) fn print_elements(elements: &[Value], array: bool) -> Result<(), Failure> {
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
