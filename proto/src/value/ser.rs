//! `Serialize` for values.

use serde::ser::{Serialize, SerializeTupleVariant, Serializer};

use super::mark::{SIMPLE, TAG, TAGGED};
use super::{Integer, Map, Value};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Integer(n) => n.serialize(serializer),
            Self::Float(x) => serializer.serialize_f64(*x),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Map(map) => map.serialize(serializer),
            Self::Tag(tag, value) => {
                let mut pair = serializer.serialize_tuple_variant(TAG, 1, TAGGED, 2)?;
                pair.serialize_field(tag)?;
                pair.serialize_field(value)?;
                pair.end()
            }
            Self::Simple(n) => serializer.serialize_newtype_variant(TAG, 2, SIMPLE, n),
        }
    }
}

impl Serialize for Integer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.parts(), i64::try_from(*self)) {
            (Ok(n), _) => serializer.serialize_u64(n),
            (_, Ok(n)) => serializer.serialize_i64(n),
            _ => serializer.serialize_i128((*self).into()),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, value)))
    }
}
