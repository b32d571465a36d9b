//! Conversions between [`Value`] and `serde_json::Value`.

use aemp_core::codec::MAX_DEPTH;
use aemp_core::{ConvertError, Integer, Map, Value};
use serde_json::{Number, Value as Json};

/// Converts a value to serde_json's type. The pairs of a map are in the order of `serde_json::Map`: sorted by key,
/// unless the program enables serde_json's feature `preserve_order`.
///
/// ```
/// use aemp::Value;
/// let value = Value::from(vec!["add".into(), 41.into(), Value::from(0.5)]);
/// assert_eq!(aemp::convert::to_json(&value)?, serde_json::json!(["add", 41, 0.5]));
///
/// let bytes = Value::from(vec![1.into(), bytes::Bytes::from_static(b"\xff").into()]);
/// let error = aemp::convert::to_json(&bytes).unwrap_err();
/// assert_eq!(error.to_string(), "the value at [1] holds bytes, which JSON has no form for");
/// # Ok::<(), aemp::convert::ConvertError>(())
/// ```
///
/// # Errors
/// For values that JSON cannot carry, with the path to them: byte strings, tags, simple values, map keys that are not
/// texts or occur twice, NaN and infinities, and integers outside -2^63 to 2^64-1. Also for values that nest deeper
/// than [`MAX_DEPTH`].
pub fn to_json(value: &Value) -> Result<Json, ConvertError> {
    write(value, MAX_DEPTH)
}

/// Converts serde_json's type to a value. All JSON values can be converted.
///
/// ```
/// use aemp::Value;
/// let value = aemp::convert::from_json(serde_json::json!({"pi": 3.14, "n": [1, null]}))?;
/// assert_eq!(value["pi"], Value::from(3.14));
/// assert_eq!(value["n"][0], Value::from(1));
/// # Ok::<(), aemp::convert::ConvertError>(())
/// ```
///
/// # Errors
/// For values that nest deeper than [`MAX_DEPTH`]. With serde_json's feature `arbitrary_precision` also for integers
/// outside -2^64 to 2^64-1 and numbers outside the range of floats; other numbers with a point or an exponent become
/// the nearest float, as in messages.
pub fn from_json(json: Json) -> Result<Value, ConvertError> {
    read(json, MAX_DEPTH)
}

fn lacking(what: impl std::fmt::Display) -> ConvertError {
    ConvertError::lacking(what, "JSON")
}

/// Uses little stack per level: scalars and the loops over elements are separate functions.
fn write(value: &Value, depth: usize) -> Result<Json, ConvertError> {
    match value {
        Value::Array(items) => write_array(items, ConvertError::depth_inside(depth)?),
        Value::Map(map) => write_object(map, ConvertError::depth_inside(depth)?),
        scalar => write_scalar(scalar),
    }
}

fn write_array(items: &[Value], depth: usize) -> Result<Json, ConvertError> {
    let mut array = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        array.push(write(item, depth).map_err(|error| error.below_index(at))?);
    }
    Ok(array.into())
}

fn write_object(map: &Map, depth: usize) -> Result<Json, ConvertError> {
    let mut object = serde_json::Map::new();
    for (key, value) in map {
        let Some(name) = key.as_str() else {
            return Err(lacking(format_args!("the key {key}, which is no text")));
        };
        let value = write(value, depth).map_err(|error| error.below_key(key))?;
        if object.insert(name.to_owned(), value).is_some() {
            return Err(lacking(format_args!("the key {key} twice")));
        }
    }
    Ok(object.into())
}

fn write_scalar(value: &Value) -> Result<Json, ConvertError> {
    let number = |number: Option<Number>| number.map(Json::Number);
    let written = match value {
        Value::Null => Some(Json::Null),
        Value::Bool(b) => Some((*b).into()),
        Value::Text(text) => Some(text.as_str().into()),
        Value::Integer(n) => number(Number::from_i128((*n).into())),
        Value::Float(x) => number(Number::from_f64(*x)),
        _ => None,
    };
    written.ok_or_else(|| match value {
        Value::Integer(n) => lacking(format_args!("the integer {n}")),
        Value::Float(_) => lacking(format_args!("the float {value}")),
        Value::Tag(tag, _) => lacking(format_args!("the tag {tag}")),
        Value::Simple(_) => lacking(format_args!("the simple value {value}")),
        _ => lacking("bytes"),
    })
}

fn read(json: Json, depth: usize) -> Result<Value, ConvertError> {
    match json {
        Json::Array(items) => read_array(items, ConvertError::depth_inside(depth)?),
        Json::Object(pairs) => read_object(pairs, ConvertError::depth_inside(depth)?),
        Json::Null => Ok(Value::Null),
        Json::Bool(b) => Ok(b.into()),
        Json::String(text) => Ok(text.into()),
        Json::Number(n) => read_number(&n),
    }
}

fn read_array(items: Vec<Json>, depth: usize) -> Result<Value, ConvertError> {
    let mut array = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        array.push(read(item, depth).map_err(|error| error.below_index(at))?);
    }
    Ok(array.into())
}

fn read_object(pairs: serde_json::Map<String, Json>, depth: usize) -> Result<Value, ConvertError> {
    let mut map = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = Value::from(key);
        let value = read(value, depth).map_err(|error| error.below_key(&key))?;
        map.push((key, value));
    }
    Ok(Map::from(map).into())
}

/// With the feature `arbitrary_precision` a number is a text of any length.
fn read_number(n: &Number) -> Result<Value, ConvertError> {
    let float = n.as_f64();
    // `-0` is a float, as in messages; with that feature serde_json treats it as an integer.
    let is_minus_zero = float.is_some_and(|x| x == 0.0 && x.is_sign_negative());
    let value = if n.is_f64() || is_minus_zero {
        float.map(Value::Float)
    } else {
        let integer = n.as_i128().and_then(|n| Integer::try_from(n).ok());
        integer.map(Value::Integer)
    };
    value.ok_or_else(|| ConvertError::lacking(format_args!("the number {n}"), "aemp"))
}
