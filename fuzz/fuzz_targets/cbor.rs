//! The CBOR decoder: the same in any pieces, and what `ciborium` reads in the same bytes.
#![no_main]

use aemp::codec::{DecodeError, Envelope};
use aemp::{Cbor, Value};
use aemp_fuzz::{decode, decode_both_ways};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let ours = decode_both_ways(&Cbor, stream, cut);
    let mut messages = ours.received.iter();
    let mut rest = stream;
    while !rest.is_empty() {
        let read = ciborium::de::from_reader_with_recursion_limit(&mut rest, 4096);
        let theirs: ciborium::Value = match read {
            Ok(theirs) => theirs,
            // It refuses most simple values, which we take.
            Err(ciborium::de::Error::Semantic(..) | ciborium::de::Error::Syntax(_)) => return,
            Err(error) => {
                assert!(messages.next().is_none(), "ciborium: {error}");
                return;
            }
        };
        let ciborium::Value::Array(elements) = &theirs else {
            assert!(messages.next().is_none(), "{theirs:?} is no array");
            return;
        };
        let Some(port) = elements.first() else {
            continue;
        };
        let Some(Envelope {
            port: to, message, ..
        }) = messages.next()
        else {
            let error = ours.error.as_ref().expect("a message that ciborium reads");
            assert!(is_stricter(error) || !port.is_text(), "{error}");
            return;
        };
        assert_eq!(port.as_text(), Some(to.as_str()));
        let values = message.to_values().expect("a well-formed message").to_vec();
        // It folds short bignums into integers, where we keep the tag, and `undefined` into null.
        if values.iter().any(is_folded) {
            continue;
        }
        let mut written = Vec::new();
        ciborium::into_writer(&theirs, &mut written).expect("a vector");
        let again = decode(&Cbor, "", &written, [written.len(); 2]);
        let again = again.received[0]
            .message
            .to_values()
            .expect("a well-formed message");
        assert_eq!(
            Value::from(again.to_vec()).to_string(),
            Value::from(values).to_string()
        );
    }
});

/// Whether we refuse what ciborium takes: limits, and what RFC 8949 calls not well-formed: simple values in a longer form
/// than need be (section 3.3), strings of chunks as chunks (section 3.2.3).
fn is_stricter(error: &DecodeError) -> bool {
    match error {
        DecodeError::TooLarge { .. }
        | DecodeError::TooDeep { .. }
        | DecodeError::TooManyItems { .. } => true,
        error => {
            let error = error.to_string();
            error.contains("the simple value") || error.contains("a chunk of another kind")
        }
    }
}

/// Whether ciborium makes something else of it, or of what it holds.
fn is_folded(value: &Value) -> bool {
    match value {
        Value::Tag(2 | 3, _) | Value::Simple(_) => true,
        Value::Tag(_, value) => is_folded(value),
        Value::Array(items) => items.iter().any(is_folded),
        Value::Map(map) => map
            .iter()
            .any(|(key, value)| is_folded(key) || is_folded(value)),
        _ => false,
    }
}
