//! The recorded messages of Perl nodes: from the raw bytes our decoders read what the recording says they are.

use std::collections::BTreeMap;
use std::path::Path;

use aemp::Value;
use aemp::codec::{Codec, Limits};
use aemp_codec_cbor::Cbor;
use aemp_codec_json::{Json, from_json};
use serde_json::Value as Parsed;

use crate::support::*;

/// One direction of one connection: the bytes of its messages, and what they are.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    messages: Vec<Value>,
}

/// The recorded streams by session, connection, direction and framing.
fn streams() -> BTreeMap<String, Stream> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut streams = BTreeMap::<String, Stream>::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(session) = file.strip_suffix(".frames.jsonl") else {
            continue;
        };
        for line in std::fs::read_to_string(folder.join(&file)).unwrap().lines() {
            let unit: Parsed = serde_json::from_str(line).unwrap();
            // The recording keeps of its longest message, 70 KB of one letter, the beginning only.
            if unit["kind"] != "msg" || !unit["msg"].is_array() {
                continue;
            }
            let framing = unit["framing"].as_str().unwrap();
            let key = format!("{framing} {session} {} {}", unit["conn"], unit["dir"]);
            let stream = streams.entry(key).or_default();
            stream.bytes.extend(unhex(unit["hex"].as_str().unwrap()));
            match value(&unit["msg"]) {
                Value::Array(elements) if elements.is_empty() => {}
                message => stream.messages.push(message),
            }
        }
    }
    streams
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// The recording's notation as the value that a program sees: `b:` marks a CBOR byte string that is UTF-8.
fn value(parsed: &Parsed) -> Value {
    match parsed {
        Parsed::String(text) => text.strip_prefix("b:").unwrap_or(text).into(),
        Parsed::Array(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Parsed::Object(pairs) => match pairs.get("$bytes") {
            // Where something in it is not printable.
            Some(hex) => match String::from_utf8(unhex(hex.as_str().unwrap())) {
                Ok(text) => text.into(),
                Err(error) => bytes::Bytes::from(error.into_bytes()).into(),
            },
            None => {
                // A key that is no UTF-8 stands there as the text of its notation.
                let key = |k: &str| match serde_json::from_str(k) {
                    Ok(notation @ Parsed::Object(_)) => value(&notation),
                    _ => k.strip_prefix("b:").unwrap_or(k).into(),
                };
                Value::Map(pairs.iter().map(|(k, v)| (key(k), value(v))).collect())
            }
        },
        other => from_json(other.clone()).unwrap(),
    }
}

/// The same with the pairs of every map in order, since the recording's notation has none, and without the sign
/// of JSON's `-0`, which it lost.
fn sorted(value: Value) -> Value {
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

#[test]
fn recorded_messages_are_read_as_the_recording_says() {
    let mut read = BTreeMap::<&str, usize>::new();
    let streams = streams();
    for (name, stream) in &streams {
        let (framing, codec) = match name.split_once(' ').unwrap().0 {
            "json" => ("json", &Json as &dyn Codec),
            "cbor" => ("cbor", &Cbor as &dyn Codec),
            _ => continue,
        };
        for step in [1, 7, 1 << 20] {
            let ends = (step..stream.bytes.len()).step_by(step);
            let received = decode_split(codec, &Limits::default(), &perl(), &stream.bytes, ends);
            let received = received.unwrap_or_else(|error| panic!("{name}: {error}"));
            let messages: Vec<Value> = received
                .into_iter()
                .map(|one| {
                    let mut all = vec![Value::from(&one.port)];
                    all.extend(one.message.into_values().unwrap());
                    sorted(all.into())
                })
                .collect();
            assert_eq!(messages.len(), stream.messages.len(), "{name}");
            for (got, recorded) in messages.into_iter().zip(&stream.messages) {
                assert_eq!(got, sorted(recorded.clone()), "{name}");
            }
        }
        *read.entry(framing).or_default() += stream.messages.len();
    }
    // So that a change of the recordings' form does not leave this test with nothing to do.
    assert!(read["json"] >= 680 && read["cbor"] >= 262, "{read:?}");
}
