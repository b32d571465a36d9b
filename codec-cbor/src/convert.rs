//! Conversions between [`Value`] and `ciborium::Value`.

use aemp_core::codec::MAX_DEPTH;
use aemp_core::{ConvertError, Integer, Map, Value};
use bytes::Bytes;
use ciborium::Value as Cbor;

/// Converts a value to ciborium's type. Pairs of maps keep their order, including duplicate keys.
///
/// ```
/// use aemp::Value;
/// let value = Value::from(vec!["add".into(), Value::Tag(32, Box::new("a:b".into()))]);
/// let uri = ciborium::Value::Tag(32, Box::new("a:b".into()));
/// assert_eq!(aemp::convert::to_ciborium(&value)?, ciborium::Value::Array(vec!["add".into(), uri]));
///
/// let error = aemp::convert::to_ciborium(&Value::Simple(99)).unwrap_err();
/// assert_eq!(error.to_string(), "the value holds simple(99), which ciborium has no form for");
/// # Ok::<(), aemp::convert::ConvertError>(())
/// ```
///
/// # Errors
/// For simple values, including `undefined`, which ciborium lacks, with the path to them. Also for values that nest
/// deeper than [`MAX_DEPTH`].
pub fn to_ciborium(value: &Value) -> Result<Cbor, ConvertError> {
    write(value, MAX_DEPTH)
}

/// Converts ciborium's type to a value. All its values can be converted; bignums stay tags (2 and 3).
///
/// ```
/// use aemp::Value;
/// let cbor = ciborium::Value::Map(vec![(1.into(), ciborium::Value::Bytes(vec![0xff]))]);
/// assert_eq!(aemp::convert::from_ciborium(cbor)?.to_string(), "{1: h'ff'}");
/// # Ok::<(), aemp::convert::ConvertError>(())
/// ```
///
/// # Errors
/// For values that nest deeper than [`MAX_DEPTH`], and for kinds of values that later versions of ciborium may add.
pub fn from_ciborium(cbor: Cbor) -> Result<Value, ConvertError> {
    read(cbor, MAX_DEPTH)
}

/// Uses little stack per level: scalars and the loops over elements are separate functions.
fn write(value: &Value, depth: usize) -> Result<Cbor, ConvertError> {
    match value {
        Value::Array(items) => write_array(items, ConvertError::depth_inside(depth)?),
        Value::Map(map) => write_map(map, ConvertError::depth_inside(depth)?),
        Value::Tag(tag, content) => {
            let content = write(content, ConvertError::depth_inside(depth)?)?;
            Ok(Cbor::Tag(*tag, Box::new(content)))
        }
        scalar => write_scalar(scalar),
    }
}

fn write_array(items: &[Value], depth: usize) -> Result<Cbor, ConvertError> {
    let mut array = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        array.push(write(item, depth).map_err(|error| error.below_index(at))?);
    }
    Ok(array.into())
}

fn write_map(map: &Map, depth: usize) -> Result<Cbor, ConvertError> {
    let mut pairs = Vec::with_capacity(map.len());
    for (key, value) in map {
        let value = write(value, depth).map_err(|error| error.below_key(key))?;
        pairs.push((write(key, depth).map_err(ConvertError::in_key)?, value));
    }
    Ok(pairs.into())
}

fn write_scalar(value: &Value) -> Result<Cbor, ConvertError> {
    let written = match value {
        Value::Null => Some(Cbor::Null),
        Value::Bool(b) => Some((*b).into()),
        Value::Integer(n) => i128::from(*n).try_into().ok().map(Cbor::Integer),
        Value::Float(x) => Some((*x).into()),
        Value::Bytes(bytes) => Some(bytes[..].into()),
        Value::Text(text) => Some(text.as_str().into()),
        _ => None,
    };
    written.ok_or_else(|| ConvertError::lacking(value, "ciborium"))
}

fn read(cbor: Cbor, depth: usize) -> Result<Value, ConvertError> {
    match cbor {
        Cbor::Array(items) => read_array(items, ConvertError::depth_inside(depth)?),
        Cbor::Map(pairs) => read_map(pairs, ConvertError::depth_inside(depth)?),
        Cbor::Tag(tag, content) => {
            let content = read(*content, ConvertError::depth_inside(depth)?)?;
            Ok(Value::Tag(tag, Box::new(content)))
        }
        scalar => read_scalar(scalar),
    }
}

fn read_array(items: Vec<Cbor>, depth: usize) -> Result<Value, ConvertError> {
    let mut array = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        array.push(read(item, depth).map_err(|error| error.below_index(at))?);
    }
    Ok(array.into())
}

fn read_map(pairs: Vec<(Cbor, Cbor)>, depth: usize) -> Result<Value, ConvertError> {
    let mut map = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = read(key, depth).map_err(ConvertError::in_key)?;
        let value = read(value, depth).map_err(|error| error.below_key(&key))?;
        map.push((key, value));
    }
    Ok(Map::from(map).into())
}

fn read_scalar(cbor: Cbor) -> Result<Value, ConvertError> {
    let lacking = |what| ConvertError::lacking(what, "aemp");
    match cbor {
        Cbor::Null => Ok(Value::Null),
        Cbor::Bool(b) => Ok(b.into()),
        Cbor::Integer(n) => Integer::try_from(i128::from(n))
            .map(Value::from)
            .map_err(|error| lacking(error.to_string())),
        Cbor::Float(x) => Ok(x.into()),
        Cbor::Bytes(bytes) => Ok(Bytes::from(bytes).into()),
        Cbor::Text(text) => Ok(text.into()),
        _ => Err(lacking("a value that this version does not know".into())),
    }
}
