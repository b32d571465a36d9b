//! Valid names of families, keys, and values: those that JSON can represent (protocol.md section 6).

use std::borrow::Cow;

use bytes::Bytes;

use crate::value::MAX_DEPTH;
use crate::{Map, Text, Value};

/// The family that maps a node ID to the array of addresses at which the node listens.
pub const LISTENERS: &str = "'l";

/// The family whose keys are the IDs of the global nodes. Its values are null.
pub(super) const GLOBALS: &str = "'g";

/// The longest name of a family, in bytes.
const MAX_FAMILY: usize = 255;

pub(super) fn is_listeners(family: &str) -> bool {
    family == LISTENERS
}

/// Whether this is the name of a family that programs can write to: `[A-Za-z][A-Za-z0-9_:]*`, at most 255 bytes.
pub fn is_family(name: &str) -> bool {
    name.len() <= MAX_FAMILY
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

/// Whether this is the name of a family that programs can write to, or one of the two families of the nodes.
pub fn is_known_family(name: &str) -> bool {
    matches!(name, LISTENERS | GLOBALS) || is_family(name)
}

/// The first part of `value` that JSON cannot represent, with its path.
pub(super) fn not_json(value: &Value) -> Option<String> {
    find_non_json(value, 0, &mut String::new())
}

fn find_non_json(value: &Value, depth: usize, path: &mut String) -> Option<String> {
    let what = match value {
        Value::Null | Value::Bool(_) | Value::Text(_) => return None,
        Value::Integer(n) if i64::try_from(*n).is_ok() || u64::try_from(*n).is_ok() => return None,
        Value::Integer(_) => "an integer beyond 64 bits",
        Value::Float(x) if x.is_finite() => return None,
        Value::Float(_) => "a float that is not finite",
        // The message, its map of families and the family nest around the value.
        Value::Array(_) | Value::Map(_) if depth + 4 >= MAX_DEPTH => "values that are too deep",
        Value::Array(items) => {
            return items.iter().enumerate().find_map(|(at, item)| {
                with_step(path, &format!("[{at}]"), |path| {
                    find_non_json(item, depth + 1, path)
                })
            });
        }
        Value::Map(map) => {
            return map.iter().find_map(|(key, item)| match key.as_str() {
                Some(key) => with_step(path, &format!(".{key}"), |path| {
                    find_non_json(item, depth + 1, path)
                }),
                None => Some(format!(
                    "a map with a key that is no text at {}",
                    path_or_top(path)
                )),
            });
        }
        Value::Bytes(_) => "bytes",
        Value::Tag(..) => "a tag",
        Value::Simple(_) => "a simple value",
    };
    Some(format!("{what} at {}", path_or_top(path)))
}

fn path_or_top(path: &str) -> &str {
    if path.is_empty() { "the top" } else { path }
}

fn with_step<T>(path: &mut String, step: &str, run: impl FnOnce(&mut String) -> T) -> T {
    let before = path.len();
    path.push_str(step);
    let outcome = run(path);
    path.truncate(before);
    outcome
}

/// Converts a key from a request. From Perl nodes, bytes that are not UTF-8 are Latin-1 text.
pub(super) fn key(value: Value, perl: bool) -> Result<Text, &'static str> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Bytes(bytes) if perl => Ok(perl_text(&bytes)),
        // Keys of Perl are always strings, but a key to delete can arrive as a number: 5 means "5".
        Value::Integer(n) if perl => Ok(n.to_string().into()),
        _ => Err("a key is no text"),
    }
}

/// Converts a key and a value from a request. `Ok((key, Err(..)))`: JSON cannot represent the value.
pub(super) fn entry(
    key: Value,
    value: Value,
    perl: bool,
) -> Result<(Text, Result<Value, &'static str>), &'static str> {
    let key = self::key(key, perl)?;
    let value = self::value(value, perl);
    Ok((key, expect_json(&value).map(|()| value)))
}

/// Fails if JSON cannot represent `value`.
pub(super) fn expect_json(value: &Value) -> Result<(), &'static str> {
    match not_json(value) {
        None => Ok(()),
        Some(_) => Err("a value is not what JSON can carry"),
    }
}

/// Converts a value from a request. From Perl nodes, bytes that are not UTF-8 are Latin-1 text.
pub(super) fn value(value: Value, perl: bool) -> Value {
    if !perl {
        return value;
    }
    match value {
        Value::Bytes(bytes) => perl_text(&bytes).into(),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| self::value(item, perl));
            Value::Array(items.collect())
        }
        Value::Map(map) => {
            let pairs = map
                .into_iter()
                .map(|(key, item)| (self::value(key, perl), self::value(item, perl)));
            Value::Map(pairs.collect::<Map>())
        }
        other => other,
    }
}

fn perl_text(bytes: &Bytes) -> Text {
    let text = crate::value::scalar::perl_text(Cow::Borrowed(bytes));
    Text::from(&*text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_begin_with_a_letter() {
        for good in ["a", "workers", "My::Family_1", "Z9"] {
            assert!(is_family(good) && is_known_family(good), "{good}");
        }
        for bad in [
            "",
            "1a",
            "_a",
            ":a",
            "a b",
            "a-b",
            "'l",
            "é",
            &"a".repeat(256),
        ] {
            assert!(!is_family(bad), "{bad}");
        }
        assert!(is_known_family("'l") && is_known_family("'g") && !is_known_family("'x"));
    }

    #[test]
    fn what_json_lacks_is_named_with_its_path() {
        let bytes = Value::from(Bytes::from_static(b"\xff"));
        let list = Value::from(vec![Value::Null, bytes.clone()]);
        let map = Value::Map([("a", list)].into_iter().collect());
        assert_eq!(not_json(&map).unwrap(), "bytes at .a[1]");
        assert_eq!(not_json(&bytes).unwrap(), "bytes at the top");
        assert!(not_json(&Value::from(f64::NAN)).is_some());
        assert!(not_json(&Value::from(u64::MAX)).is_none());
    }

    #[test]
    fn bytes_from_perl_are_text() {
        let bytes = Value::from(Bytes::from_static(b"caf\xe9"));
        assert_eq!(key(bytes.clone(), true).unwrap(), "café");
        assert_eq!(value(bytes.clone(), true).as_str(), Some("café"));
        assert_eq!(
            (key(bytes.clone(), false), value(bytes.clone(), false)),
            (Err("a key is no text"), bytes)
        );
    }
}
