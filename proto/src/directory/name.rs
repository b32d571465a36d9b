//! What may stand in the directory: names of families, keys, and values that JSON can carry (protocol.md section 6).

use std::borrow::Cow;

use bytes::Bytes;

use crate::value::MAX_DEPTH;
use crate::{Map, Text, Value};

/// Maps node IDs to the arrays of addresses at which they listen.
pub const LISTENERS: &str = "'l";

/// Has the IDs of global nodes as keys, and null as values.
pub(super) const GLOBALS: &str = "'g";

/// The longest name of a family, in bytes.
const MAX_FAMILY: usize = 255;

pub(super) fn is_listeners(family: &str) -> bool {
    family == LISTENERS
}

/// Whether programs may write to a family of this name: `[A-Za-z][A-Za-z0-9_:]*`.
pub fn is_family(name: &str) -> bool {
    name.len() <= MAX_FAMILY
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

/// The same, or one of the two families of the nodes themselves.
pub fn is_known_family(name: &str) -> bool {
    matches!(name, LISTENERS | GLOBALS) || is_family(name)
}

/// What JSON lacks in `value`, if it lacks anything; and its path.
pub(super) fn not_json(value: &Value) -> Option<String> {
    check(value, 0, &mut String::new())
}

fn check(value: &Value, depth: usize, path: &mut String) -> Option<String> {
    let what = match value {
        Value::Null | Value::Bool(_) | Value::Text(_) => return None,
        Value::Integer(n) if i64::try_from(*n).is_ok() || u64::try_from(*n).is_ok() => return None,
        Value::Integer(_) => "an integer beyond 64 bits",
        Value::Float(x) if x.is_finite() => return None,
        Value::Float(_) => "a float that is not finite",
        // Below it stand the message, its map of families and the family.
        Value::Array(_) | Value::Map(_) if depth + 4 >= MAX_DEPTH => "values that are too deep",
        Value::Array(items) => {
            return items.iter().enumerate().find_map(|(at, item)| {
                within(path, &format!("[{at}]"), |path| {
                    check(item, depth + 1, path)
                })
            });
        }
        Value::Map(map) => {
            return map.iter().find_map(|(key, item)| match key.as_str() {
                Some(key) => within(path, &format!(".{key}"), |path| {
                    check(item, depth + 1, path)
                }),
                None => Some(format!("a map with a key that is no text at {}", at(path))),
            });
        }
        Value::Bytes(_) => "bytes",
        Value::Tag(..) => "a tag",
        Value::Simple(_) => "a simple value",
    };
    Some(format!("{what} at {}", at(path)))
}

fn at(path: &str) -> &str {
    if path.is_empty() { "the top" } else { path }
}

fn within<T>(path: &mut String, step: &str, run: impl FnOnce(&mut String) -> T) -> T {
    let before = path.len();
    path.push_str(step);
    let outcome = run(path);
    path.truncate(before);
    outcome
}

/// A key as it came. From Perl nodes bytes that are no UTF-8 are Latin-1 text.
pub(super) fn key(value: Value, perl: bool) -> Result<Text, &'static str> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Bytes(bytes) if perl => Ok(perl_text(&bytes)),
        // Perl's keys are always strings, but a number may name the one to delete: 5 is "5" there.
        Value::Integer(n) if perl => Ok(n.to_string().into()),
        _ => Err("a key is no text"),
    }
}

/// A key with its value as they came: what JSON can carry. `Ok(Err)` holds the key of a value that it cannot.
pub(super) fn entry(
    key: Value,
    value: Value,
    perl: bool,
) -> Result<(Text, Result<Value, &'static str>), &'static str> {
    let key = self::key(key, perl)?;
    let value = self::value(value, perl);
    Ok((key, expect_json(&value).map(|()| value)))
}

/// Whether JSON can carry `value`.
pub(super) fn expect_json(value: &Value) -> Result<(), &'static str> {
    match not_json(value) {
        None => Ok(()),
        Some(_) => Err("a value is not what JSON can carry"),
    }
}

/// A value as it came. From Perl nodes bytes that are no UTF-8 are Latin-1 text.
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

/// Bytes of a Perl node as text.
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
