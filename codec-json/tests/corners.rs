//! JSON's corner cases: numbers, escapes, white space, and what it cannot carry. Input that must be refused is in the table
//! `tests/hostile` of the workspace.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use aemp_codec_json::Json;
use aemp_core::codec::{Codec, DecodeError, Frame, Limits, Outgoing, PeerInfo};
use aemp_core::{Integer, Message, Value};
use bytes::{Bytes, BytesMut};

fn peer() -> PeerInfo {
    PeerInfo::new("peer".parse().unwrap(), "")
}

/// The messages of `wire`, fed in pieces of `size` bytes, and the error at the end if there is one.
fn decode(wire: &[u8], size: usize) -> (Vec<Message>, Option<DecodeError>) {
    let mut decoder = Json.decoder(&Limits::default(), &peer());
    let mut src = BytesMut::new();
    let mut messages = Vec::new();
    for piece in wire.chunks(size) {
        src.extend_from_slice(piece);
        loop {
            match aemp::codec::decode(&mut *decoder, &mut src) {
                Ok(Some(received)) => messages.push(received.message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fn element(json: &str) -> Result<Value, String> {
    let wire = format!(r#"["p",{json}]"#);
    let mut results = [1, 2, 3, 1000].map(|size| {
        let (messages, error) = decode(wire.as_bytes(), size);
        match error {
            Some(error) => Err(error.to_string()),
            None => Ok(messages[0].to_values().unwrap()[0].clone()),
        }
    });
    for other in &results[1..] {
        assert_eq!(format!("{:?}", results[0]), format!("{other:?}"), "{json}");
    }
    std::mem::replace(&mut results[0], Ok(Value::Null))
}

#[test]
fn numbers_keep_their_kind_and_value() {
    let cases = [
        ("0", Value::from(0)),
        ("-1", Value::from(-1)),
        ("18446744073709551615", Value::from(u64::MAX)),
        ("-9223372036854775808", Value::from(i64::MIN)),
        ("1.0", Value::from(1.0)),
        ("-0.0", Value::from(-0.0)),
        ("1e2", Value::from(100.0)),
        ("1E+2", Value::from(100.0)),
        ("0.1", Value::from(0.1)),
        (
            "2.2250738585072011e-308",
            Value::from(2.225_073_858_507_201e-308),
        ),
        ("9007199254740993.0", Value::from(9_007_199_254_740_992.0)),
        ("1e-400", Value::from(0.0)),
        ("0.30000000000000004", Value::from(0.30000000000000004)),
    ];
    for (json, value) in cases {
        assert_eq!(element(json), Ok(value), "{json}");
    }
    let Ok(Value::Float(x)) = element("-0") else {
        panic!("-0 is a float, or its sign would be lost");
    };
    assert!(x == 0.0 && x.is_sign_negative());
}

#[test]
fn numbers_that_cannot_be_kept_are_errors() {
    for json in [
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ] {
        let error = element(json).unwrap_err();
        assert!(
            error.contains(&format!("the integer {json} is out of range")),
            "{error}"
        );
    }
    for json in ["1e400", "-1e400"] {
        let error = element(json).unwrap_err();
        assert!(
            error.contains(&format!("the float {json} is out of range")),
            "{error}"
        );
    }
}

#[test]
fn texts_are_unescaped() {
    let cases = [
        (r#""""#, ""),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""a\u00e9b""#, "aéb"),
        (r#""\u0000""#, "\0"),
        (r#""\ud83d\ude00!""#, "😀!"),
        (r#""\uD83D\uDE00""#, "😀"),
        ("\"😀é\u{7f}\u{ffff}\"", "😀é\u{7f}\u{ffff}"),
    ];
    for (json, text) in cases {
        assert_eq!(element(json), Ok(Value::from(text)), "{json}");
    }
}

#[test]
fn messages_follow_one_another_with_white_space_and_keepalives() {
    let wire = b" \r\n\t[\"p\",1]\n[][ ]  [ \"p\" , { \"a\" : [ ] , \"b\" : { } } ] [\"\"][\"p\"]";
    for size in 1..wire.len() {
        let (messages, error) = decode(wire, size);
        assert_eq!(error, None);
        let texts: Vec<String> = messages
            .iter()
            .map(|m| Value::from(m.to_values().unwrap().to_vec()).to_string())
            .collect();
        assert_eq!(texts, ["[1]", r#"[{"a": [], "b": {}}]"#, "[]", "[]"]);
    }
}

#[test]
fn duplicate_keys_are_kept_and_the_last_wins() {
    let value = element(r#"{"a":1,"b":2,"a":3}"#).unwrap();
    assert_eq!(value.to_string(), r#"{"a": 1, "b": 2, "a": 3}"#);
    assert_eq!(value["a"], Value::from(3));
}

fn encode(body: Outgoing<'_>) -> Result<String, String> {
    let frame = Frame::with_body("p", body);
    let mut out = BytesMut::from("before");
    let result = aemp::codec::encode(&Json, &frame, &peer(), &mut out);
    let text = String::from_utf8(out.to_vec()).unwrap();
    match result {
        Ok(()) => Ok(text["before".len()..].to_owned()),
        Err(error) => {
            assert_eq!(text, "before", "an error leaves what was there");
            Err(error.to_string())
        }
    }
}

#[test]
fn what_json_lacks_is_refused_typed_or_not() {
    let end = ", and this connection speaks json, which has none";
    let map = |k: Value, v: Value| Value::Map(vec![(k, v)].into());
    let cases = [
        (Value::from(Bytes::from_static(b"b")), "holds bytes"),
        (Value::from(f64::NAN), "holds the float NaN"),
        (
            Value::from(Integer::MIN),
            "holds the integer -18446744073709551616",
        ),
        (map(1.into(), 1.into()), "holds the key 1, which is no text"),
        (
            map(Value::Null, 1.into()),
            "holds the key null, which is no text",
        ),
        (Value::Tag(1, Box::new(1.into())), "holds the tag 1"),
        (Value::Simple(0), "holds the simple value 0"),
    ];
    for (value, says) in cases {
        let inside = Value::from(vec![Value::Null, map("payload".into(), value)]);
        let says = format!("element 1 at [1].payload {says}{end}");
        let values = ["tag".into(), inside.clone()];
        assert_eq!(encode(Outgoing::Values(&values)), Err(says.clone()));
        assert_eq!(encode(Outgoing::Typed(&("tag", &inside))), Err(says));
    }
    let keys = std::collections::BTreeMap::from([(1, "a")]);
    assert!(
        encode(Outgoing::Typed(&("tag", &keys))).is_err(),
        "serde_json alone would make it \"1\""
    );
    assert!(
        encode(Outgoing::Typed(&("tag", u128::MAX)))
            .unwrap_err()
            .contains("element 1 cannot be serialised: the integer 3402")
    );
    assert!(encode(Outgoing::Typed(&("tag", f32::INFINITY))).is_err());
}

#[test]
fn floats_stay_floats_and_exact() {
    assert_eq!(
        encode(Outgoing::Typed(&(1.0, 0.1, 1e300, -0.0))),
        Ok(r#"["p",1.0,0.1,1e+300,-0.0]"#.into())
    );
    assert_eq!(
        encode(Outgoing::Typed(&(0.1f32,))),
        encode(Outgoing::Values(&[Value::from(0.1f32)]))
    );
}

#[test]
fn nesting_is_limited_on_the_way_out() {
    let nested = |levels| (0..levels).fold(Value::from(1), |inner, _| vec![inner].into());
    for levels in [511, 512, 10_000] {
        let values = [nested(levels)];
        let results = [
            encode(Outgoing::Values(&values)),
            encode(Outgoing::Typed(&(&values[0],))),
        ];
        for result in results {
            assert_eq!(result.is_ok(), levels == 511, "{levels}: {result:?}");
            if let Err(error) = result {
                assert!(
                    error.contains("nests deeper than the limit of 512"),
                    "{error}"
                );
            }
        }
        // A deeply nested value must not be dropped recursively on the small stack of a test.
        let [mut value] = values;
        while let Value::Array(items) = value {
            value = items.into_iter().next().unwrap_or_default();
        }
    }
}
