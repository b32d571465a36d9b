//! Recorded messages as values, and back with other names in them.

use aemp::codec::{Codec, Limits, PeerInfo};
use aemp::{Cbor, Json, Value};
use bytes::BytesMut;

pub(crate) fn codec(framing: &str) -> &'static dyn Codec {
    match framing {
        "json" => &Json,
        "cbor" => &Cbor,
        other => panic!("no codec {other:?}"),
    }
}

/// A decoder of what `provider` sends in `framing`.
pub(crate) fn decoder(framing: &str, provider: &str) -> Box<dyn aemp::codec::Decoder> {
    let peer = PeerInfo::new("peer".parse().unwrap(), provider);
    codec(framing).decoder(&Limits::default(), &peer)
}

/// A recorded message: the port's name, then the elements.
pub(crate) fn read(framing: &str, bytes: &[u8]) -> Vec<Value> {
    let mut buffer = BytesMut::from(bytes);
    let received = aemp::codec::decode(&mut *decoder(framing, "AE-2.02"), &mut buffer).unwrap();
    values(received.expect("a whole message"))
}

pub(crate) fn values(received: aemp::codec::Envelope) -> Vec<Value> {
    let mut all = vec![Value::from(&received.port)];
    all.extend(received.message.into_values().unwrap());
    all.into_iter().map(sorted).collect()
}

/// The same with the pairs of every map in order, since a Perl hash has none, and without the sign of `-0.0`, which
/// JSON from Perl lacks.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Float(0.0) => 0.into(),
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Map(map) => {
            let mut pairs: Vec<_> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            pairs.sort_by_key(|(key, _)| key.to_string());
            Value::Map(pairs.into())
        }
        other => other,
    }
}

/// The recorded bytes of a message with another text as element `at`.
pub(crate) fn with_text(framing: &str, bytes: &[u8], at: usize, text: &str) -> Vec<u8> {
    if framing == "json" {
        let mut message: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        message[at] = text.into();
        return serde_json::to_vec(&message).unwrap();
    }
    let mut message: ciborium::Value = ciborium::from_reader(bytes).unwrap();
    message.as_array_mut().unwrap()[at] = ciborium::Value::Bytes(text.into());
    let mut changed = Vec::new();
    ciborium::into_writer(&message, &mut changed).unwrap();
    changed
}

/// Recorded names, and those that our node made up in their place.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(String, String)>);

impl Names {
    pub(crate) fn add(&mut self, recorded: &str, ours: &str) {
        self.0.push((recorded.into(), ours.into()));
    }

    pub(crate) fn contains(&self, recorded: &str) -> bool {
        self.0.iter().any(|(name, _)| name == recorded)
    }

    fn text(&self, text: &str) -> String {
        let replaced = |text: String, (from, to): &(String, String)| text.replace(from, to);
        self.0.iter().fold(text.into(), replaced)
    }

    /// The recorded elements as our node says them. Names are long and random, and stand at the top level.
    pub(crate) fn apply(&self, values: &[Value]) -> Vec<Value> {
        let replace = |value: &Value| match value.as_str() {
            Some(text) => self.text(text).into(),
            None => value.clone(),
        };
        values.iter().map(replace).collect()
    }

    /// The same at every level, in keys as well.
    pub(crate) fn apply_deep(&self, values: &[Value]) -> Vec<Value> {
        values
            .iter()
            .map(|value| sorted(self.deep(value)))
            .collect()
    }

    fn deep(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => self.text(text).into(),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.deep(item)).collect()),
            Value::Map(map) => {
                let pairs = map
                    .iter()
                    .map(|(key, value)| (self.deep(key), self.deep(value)));
                Value::Map(pairs.collect())
            }
            other => other.clone(),
        }
    }

    /// The recorded bytes, with our names in them. Bytes without names stay as they are.
    pub(crate) fn rewrite(&self, framing: &str, bytes: Vec<u8>) -> Vec<u8> {
        let has = |(from, _): &(String, String)| {
            bytes
                .windows(from.len())
                .any(|part| part == from.as_bytes())
        };
        if !self.0.iter().any(has) {
            return bytes;
        }
        if framing == "json" {
            return self.text(std::str::from_utf8(&bytes).unwrap()).into_bytes();
        }
        let mut message: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
        for element in message.as_array_mut().unwrap() {
            match element {
                ciborium::Value::Bytes(bytes) => {
                    if let Ok(text) = std::str::from_utf8(bytes) {
                        *bytes = self.text(text).into_bytes();
                    }
                }
                ciborium::Value::Text(text) => *text = self.text(text),
                _ => {}
            }
        }
        let mut rewritten = Vec::new();
        ciborium::into_writer(&message, &mut rewritten).unwrap();
        rewritten
    }
}
