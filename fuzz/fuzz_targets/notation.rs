//! Diagnostic notation: what is read is written as it was, and JSON is read as JSON.
#![no_main]

use aemp::convert::from_json;
use aemp::notation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsed = notation::parse(text);
    if let Ok(value) = &parsed {
        let again = notation::parse(&value.to_string()).expect("what is written can be read");
        assert_eq!(format!("{again:?}"), format!("{value:?}"));
    }
    for from in [0, 1, text.len() / 2, text.len()] {
        if let Ok((_, end)) = notation::read(text, from) {
            assert!(from < end && text.is_char_boundary(end));
        }
    }
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        let value = match parsed {
            Ok(value) => value,
            Err(error) => {
                // serde_json makes floats of integers beyond 64 bits.
                assert!(error.to_string().contains("an integer is from"), "{error}");
                return;
            }
        };
        // Where a key stands twice, serde_json keeps the last; integers beyond its range are floats.
        if let Ok(theirs) = aemp::convert::to_json(&value) {
            assert_eq!(theirs, json);
            assert_eq!(
                from_json(json).map(|value| aemp::convert::to_json(&value)),
                Ok(Ok(theirs))
            );
        }
    }
});
