//! Conversions to the values of serde_json and ciborium and back: exact, or an error that names the place.

use aemp::codec::{Capabilities, MAX_DEPTH};
use aemp::convert::ConvertError;
use aemp::{Integer, Map, Value};
use aemp_codec_cbor::{from_ciborium, to_ciborium};
use aemp_codec_json::{from_json, to_json};
use bytes::Bytes;
use ciborium::Value as Cbor;
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::support::*;

/// All that serde_json's type can hold.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter_map("finite", |x| serde_json::Number::from_f64(x)
            .map(Json::from)),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

/// All that ciborium's type can hold.
fn any_cbor() -> impl Strategy<Value = Cbor> {
    let leaf = prop_oneof![
        Just(Cbor::Null),
        any::<bool>().prop_map(Cbor::from),
        any::<i64>().prop_map(Cbor::from),
        any::<u64>().prop_map(Cbor::from),
        any::<u64>().prop_map(|n| Cbor::Integer((-1 - i128::from(n)).try_into().unwrap())),
        any::<f64>().prop_map(Cbor::from),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Cbor::from),
        any::<String>().prop_map(Cbor::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Cbor::from),
            prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Cbor::from),
            (prop_oneof![any::<u64>(), 0u64..40], inner)
                .prop_map(|(tag, content)| Cbor::Tag(tag, Box::new(content))),
        ]
    })
}

/// The same with the pairs of each map in the order of their keys, as serde_json has them.
fn in_order(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(in_order).collect()),
        Value::Map(map) => {
            let mut pairs: Vec<_> = map.into_iter().map(|(k, v)| (k, in_order(v))).collect();
            pairs.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
            Value::Map(pairs.into())
        }
        other => other,
    }
}

/// Whether any of the values in it, the keys of maps and itself included, is such.
fn holds(value: &Value, such: fn(&Value) -> bool) -> bool {
    such(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| holds(item, such)),
            Value::Map(map) => map.iter().any(|(k, v)| holds(k, such) || holds(v, such)),
            Value::Tag(_, content) => holds(content, such),
            _ => false,
        }
}

fn has_a_key_twice(value: &Value) -> bool {
    let Value::Map(map) = value else { return false };
    let twice = |at: usize, key: &Value| map.iter().skip(at + 1).any(|(other, _)| other == key);
    map.iter().enumerate().any(|(at, (key, _))| twice(at, key))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_value_becomes_json_and_comes_back_or_is_refused(value in any_value()) {
        let fits = Capabilities::JSON.check(std::slice::from_ref(&value), "json").is_ok()
            && !holds(&value, has_a_key_twice);
        match to_json(&value) {
            Ok(json) => {
                prop_assert!(fits);
                prop_assert_eq!(from_json(json).unwrap(), in_order(value));
            }
            Err(error) => prop_assert!(!fits, "{}", error),
        }
    }

    #[test]
    fn a_plain_value_becomes_json_and_comes_back(value in plain_value()) {
        prop_assume!(!holds(&value, has_a_key_twice));
        prop_assert_eq!(from_json(to_json(&value).unwrap()).unwrap(), in_order(value));
    }

    #[test]
    fn json_becomes_a_value_and_comes_back(json in any_json()) {
        prop_assert_eq!(to_json(&from_json(json.clone()).unwrap()).unwrap(), json);
    }

    #[test]
    fn json_becomes_the_value_that_a_message_of_it_holds(json in any_json()) {
        let wire = serde_json::to_vec(&("port", &json)).unwrap();
        let received = decode(&aemp::Json, &peer(), &wire).unwrap();
        prop_assert_eq!(&from_json(json).unwrap(), &received[0].message.to_values().unwrap()[0]);
    }

    #[test]
    fn a_value_becomes_ciboriums_and_comes_back_or_is_refused(value in any_value()) {
        let lacking = holds(&value, |value| matches!(value, Value::Simple(_)));
        match to_ciborium(&value) {
            Ok(cbor) => {
                prop_assert!(!lacking);
                prop_assert_eq!(from_ciborium(cbor).unwrap(), value);
            }
            Err(error) => {
                prop_assert!(lacking);
                prop_assert!(error.to_string().ends_with("which ciborium has no form for"), "{}", error);
            }
        }
    }

    #[test]
    fn ciboriums_value_becomes_ours_and_comes_back(cbor in any_cbor()) {
        let back = to_ciborium(&from_ciborium(cbor.clone()).unwrap()).unwrap();
        // NaN equals nothing, and shows alike.
        prop_assert_eq!(format!("{back:?}"), format!("{cbor:?}"));
    }
}

/// What the error says without what all of them say.
fn refused<T: std::fmt::Debug>(outcome: Result<T, ConvertError>) -> String {
    let error = outcome.unwrap_err().to_string();
    let error = error.strip_suffix("has no form for").unwrap();
    error.strip_prefix("the value ").unwrap().trim().to_owned()
}

#[test]
fn what_json_lacks_is_refused_with_the_path_to_it() {
    let bytes = || Value::from(Bytes::from_static(b"\xff"));
    let map = |pairs: Vec<(Value, Value)>| Value::Map(Map::from(pairs));
    let cases = [
        (bytes(), "holds bytes"),
        (Value::Tag(5, Box::default()), "holds the tag 5"),
        (Value::Simple(23), "holds the simple value undefined"),
        (f64::NAN.into(), "holds the float NaN"),
        (f64::NEG_INFINITY.into(), "holds the float -Infinity"),
        (
            Integer::negative(1 << 63).into(),
            "holds the integer -9223372036854775809",
        ),
        (
            map(vec![(1.into(), 2.into())]),
            "holds the key 1, which is no text",
        ),
        (
            vec![
                Value::Null,
                map(vec![("a".into(), 1.into()), ("a".into(), 2.into())]),
            ]
            .into(),
            r#"at [1] holds the key "a" twice"#,
        ),
        (
            map(vec![("a".into(), vec![Value::Null, bytes()].into())]),
            "at .a[1] holds bytes",
        ),
        (
            map(vec![("a\n".into(), bytes())]),
            r#"at ["a\n"] holds bytes"#,
        ),
    ];
    for (value, says) in cases {
        let expected = format!("{says}, which JSON");
        assert_eq!(refused(to_json(&value)), expected, "{value}");
    }
}

#[test]
fn what_ciborium_lacks_is_refused_with_the_path_to_it() {
    let undefined = || Value::Simple(23);
    let map = |key: Value, value: Value| Value::Map(vec![(key, value)].into());
    let cases = [
        (undefined(), "holds undefined"),
        (map(1.into(), undefined()), "at [1] holds undefined"),
        (map(undefined(), 1.into()), "at {key} holds undefined"),
        (
            vec![Value::Tag(5, Box::new(map("a".into(), undefined())))].into(),
            "at [0].a holds undefined",
        ),
    ];
    for (value, says) in cases {
        let expected = format!("{says}, which ciborium");
        assert_eq!(refused(to_ciborium(&value)), expected, "{value}");
    }
}

#[test]
fn edges_are_carried_exactly() {
    let edges = [
        Value::from(i64::MIN),
        u64::MAX.into(),
        (-0.0).into(),
        f64::MIN_POSITIVE.into(),
        5e-324.into(),
        f64::MAX.into(),
        1.0.into(),
        "\0\u{10ffff}".into(),
        Value::Map(Map::new()),
        Vec::new().into(),
    ];
    for value in edges {
        let shown = value.to_string();
        let json = to_json(&value).unwrap();
        assert_eq!(from_json(json).unwrap().to_string(), shown);
        let cbor = to_ciborium(&value).unwrap();
        assert_eq!(from_ciborium(cbor).unwrap().to_string(), shown);
    }
    for n in [Integer::MIN, Integer::MAX] {
        let cbor = to_ciborium(&n.into()).unwrap();
        assert_eq!(from_ciborium(cbor).unwrap(), Value::from(n));
    }
}

#[test]
fn what_nests_too_deep_is_refused_and_exhausts_no_stack() {
    fn nested<T>(levels: usize, inner: T, around: impl Fn(T) -> T) -> T {
        (0..levels).fold(inner, |inner, _| around(inner))
    }
    let check = |levels: usize| -> [Result<(), ConvertError>; 7] {
        let array = nested(levels, Value::Null, |inner| vec![inner].into());
        let map = nested(levels, Value::Null, |v| Map::from_iter([("a", v)]).into());
        let tag = nested(levels, Value::Null, |v| Value::Tag(1, Box::new(v)));
        let json = nested(levels, Json::Null, |inner| Json::Array(vec![inner]));
        let cbor = nested(levels, Cbor::Null, |v| Cbor::Map(vec![(v, Cbor::Null)]));
        [
            to_json(&array).map(drop),
            to_json(&map).map(drop),
            to_ciborium(&array).map(drop),
            to_ciborium(&map).map(drop),
            to_ciborium(&tag).map(drop),
            from_json(json).map(drop),
            from_ciborium(cbor).map(drop),
        ]
    };
    for outcome in check(MAX_DEPTH) {
        assert_eq!(outcome, Ok(()));
    }
    for levels in [MAX_DEPTH + 1, 5000] {
        for outcome in check(levels) {
            let error = outcome.unwrap_err().to_string();
            let end = "nests deeper than the limit of 512";
            assert!(error.ends_with(end), "{error}");
            assert!(error.len() < 200, "{error}");
        }
    }
}
