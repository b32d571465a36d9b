//! The JSON decoder: the same in any pieces, and what `serde_json` reads in the same bytes.
#![no_main]

use aemp::Json;
use aemp::codec::{DecodeError, Envelope};
use aemp::convert::to_json;
use aemp_fuzz::decode_both_ways;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::{Deserializer, Value};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let ours = decode_both_ways(&Json, stream, cut);
    let mut messages = ours.received.iter();
    let mut rest = stream;
    loop {
        let spaces = rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace() && **byte != 0x0c);
        rest = &rest[spaces.count()..];
        let Some((theirs, after)) = next(rest) else {
            // What is no JSON to it is no message to us.
            assert!(
                messages.next().is_none(),
                "serde_json reads no value in {rest:?}"
            );
            return;
        };
        rest = after;
        let Value::Array(theirs) = theirs else {
            assert!(messages.next().is_none(), "{theirs} is no array");
            return;
        };
        let Some((port, theirs)) = theirs.split_first() else {
            continue;
        };
        let Some(Envelope {
            port: to, message, ..
        }) = messages.next()
        else {
            let error = ours
                .error
                .as_ref()
                .expect("a message that serde_json reads");
            assert!(is_stricter(error) || !port.is_string(), "{error}");
            return;
        };
        assert_eq!(port.as_str(), Some(to.as_str()));
        // Where a key stands twice, serde_json keeps the last.
        let values = message.to_values().expect("a well-formed message");
        if let Ok(values) = values.iter().map(to_json).collect::<Result<Vec<_>, _>>() {
            assert_eq!(values, theirs);
        }
    }
});

/// The value at the beginning of `bytes`, and the bytes after it.
fn next(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let mut deserializer = Deserializer::from_slice(bytes);
    // The stack is long enough for as many brackets as an input has bytes.
    deserializer.disable_recursion_limit();
    let value = Value::deserialize(&mut deserializer).ok()?;
    let stream = deserializer.into_iter::<serde::de::IgnoredAny>();
    Some((value, &bytes[stream.byte_offset()..]))
}

/// Whether we refuse what serde_json takes: limits, and integers beyond 64 bits, which it makes floats.
fn is_stricter(error: &DecodeError) -> bool {
    match error {
        DecodeError::TooLarge { .. }
        | DecodeError::TooDeep { .. }
        | DecodeError::TooManyItems { .. } => true,
        error => error.to_string().contains("out of range"),
    }
}
