//! `Display` for `Value`: CBOR's diagnostic notation (RFC 8949 section 8), which is JSON for every value that JSON has.

use std::fmt::{self, Display, Formatter, Write};

use super::de::UNDEFINED;
use super::{MAX_DEPTH, Map, Value};

/// In diagnostic notation. Values nested deeper than [`MAX_DEPTH`] are shown as `...`.
///
/// ```
/// use aemp::Value;
/// let value = Value::from(vec![Value::from("a\n"), Value::Tag(1, Box::new(Value::Simple(99)))]);
/// assert_eq!(value.to_string(), r#"["a\n", 1(simple(99))]"#);
/// assert_eq!(Value::from(bytes::Bytes::from_static(b"\x01\xff")).to_string(), "h'01ff'");
/// ```
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, f, MAX_DEPTH)
    }
}

/// In diagnostic notation.
impl Display for Map {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_map(self, f, MAX_DEPTH)
    }
}

fn write(value: &Value, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(b) => b.fmt(f),
        Value::Integer(n) => n.fmt(f),
        Value::Float(x) => write_float(*x, f),
        Value::Text(text) => write_text(text, f),
        Value::Bytes(bytes) => {
            f.write_str("h'")?;
            for byte in bytes.iter() {
                write!(f, "{byte:02x}")?;
            }
            f.write_str("'")
        }
        Value::Simple(UNDEFINED) => f.write_str("undefined"),
        Value::Simple(n) => write!(f, "simple({n})"),
        Value::Array(_) | Value::Map(_) | Value::Tag(..) if depth == 0 => f.write_str("..."),
        Value::Array(items) => {
            f.write_str("[")?;
            for (i, item) in items.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { ", " })?;
                write(item, f, depth - 1)?;
            }
            f.write_str("]")
        }
        Value::Map(map) => write_map(map, f, depth),
        Value::Tag(tag, value) => {
            write!(f, "{tag}(")?;
            write(value, f, depth - 1)?;
            f.write_str(")")
        }
    }
}

fn write_map(map: &Map, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    f.write_str("{")?;
    for (i, (key, value)) in map.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        write(key, f, depth - 1)?;
        f.write_str(": ")?;
        write(value, f, depth - 1)?;
    }
    f.write_str("}")
}

/// Always with a decimal point or a word, so that a float never looks like an integer.
fn write_float(x: f64, f: &mut Formatter<'_>) -> fmt::Result {
    if x.is_nan() {
        return f.write_str("NaN");
    }
    if x.is_infinite() {
        return f.write_str(if x < 0.0 { "-Infinity" } else { "Infinity" });
    }
    let shortest = format!("{x:?}");
    let Some((digits, exponent)) = shortest.split_once('e') else {
        return f.write_str(&shortest);
    };
    f.write_str(digits)?;
    f.write_str(if digits.contains('.') { "e" } else { ".0e" })?;
    f.write_str(if exponent.starts_with('-') { "" } else { "+" })?;
    f.write_str(exponent)
}

fn write_text(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_str("\"")
}
