//! Diagnostic notation: values are parsed as they are written, and JSON is parsed as JSON.

use aemp_codec_cbor::notation::{self, read};
use aemp_core::codec::MAX_DEPTH;
use aemp_core::{Integer, Map, Value};
use bytes::Bytes;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Value, String> {
    notation::parse(text).map_err(|error| error.to_string())
}

fn bytes(bytes: &[u8]) -> Value {
    Bytes::copy_from_slice(bytes).into()
}

fn tag(tag: u64, value: impl Into<Value>) -> Value {
    Value::Tag(tag, Box::new(value.into()))
}

#[test]
fn what_json_lacks_is_read() {
    let map = |pairs: Vec<(Value, Value)>| Value::Map(Map::from(pairs));
    let cases: &[(&str, Value)] = &[
        (" null ", Value::Null),
        ("undefined", Value::Simple(23)),
        ("simple(99)", Value::Simple(99)),
        ("simple( 20 )", false.into()),
        ("18446744073709551615", Integer::MAX.into()),
        ("-18446744073709551616", Integer::MIN.into()),
        ("Infinity", f64::INFINITY.into()),
        ("-Infinity", f64::NEG_INFINITY.into()),
        ("1.5e+300", 1.5e300.into()),
        ("1e3", 1000.0.into()),
        ("h''", bytes(b"")),
        ("h'00 Ff'", bytes(b"\x00\xff")),
        ("b64'AP8='", bytes(b"\x00\xff")),
        ("b64'AP8'", bytes(b"\x00\xff")),
        ("b64'-_-_'", bytes(b"\xfb\xff\xbf")),
        (r#"32("x:y")"#, tag(32, "x:y")),
        ("1( 2(3) )", tag(1, tag(2, 3))),
        ("{}", map(vec![])),
        (
            r#"{1: "a", [2]: {}, "b" :null}"#,
            map(vec![
                (1.into(), "a".into()),
                (vec![2.into()].into(), map(vec![])),
                ("b".into(), Value::Null),
            ]),
        ),
        (
            r#""\u00e9\ud83d\ude00\/\b""#,
            "\u{e9}\u{1f600}/\u{8}".into(),
        ),
    ];
    for (text, value) in cases {
        assert_eq!(parse(text).as_ref(), Ok(value), "{text}");
    }
    assert_eq!(parse("NaN").unwrap().to_string(), "NaN");
}

#[test]
fn an_error_says_where_and_what_is_expected() {
    let cases = [
        ("", "column 1: expected a value, found the end"),
        ("ä", "column 1: expected a value, found 'ä'"),
        (
            "[tru]",
            "column 2: expected a value (texts stand in quotation marks), found 't'",
        ),
        ("[1, 2", "column 6: expected ',' or ']', found the end"),
        ("[1,]", "column 4: expected a value, found ']'"),
        (r#"["ä" 2]"#, "column 6: expected ',' or ']', found '2'"),
        (r#"{"a" 2}"#, "column 6: expected ':', found '2'"),
        ("1 2", "column 3: expected nothing more, found '2'"),
        ("01", "column 1: a number does not begin with 0"),
        ("1.", "column 3: expected a digit, found the end"),
        ("-x", "column 2: expected a digit, found 'x'"),
        (
            "18446744073709551616",
            "column 1: an integer is from -18446744073709551616 to 18446744073709551615",
        ),
        ("1e999", "column 1: 1e999 is too large for a float"),
        (
            "18446744073709551616(1)",
            "column 1: a tag is at most 18446744073709551615",
        ),
        ("1(2", "column 4: expected ')', found the end"),
        ("simple 1", "column 7: expected '(', found ' '"),
        (
            "simple(24)",
            "column 8: a simple value is from 0 to 23 or from 32 to 255",
        ),
        ("h'012'", "column 3: the last byte is not complete"),
        ("b64'AP9'", "column 5: the last byte is not complete"),
        (
            "h'0x'",
            "column 4: expected a digit of the bytes or a quotation mark ('), found 'x'",
        ),
        (
            "\"a",
            "column 3: expected a quotation mark (\"), found the end",
        ),
        (
            r#""\q""#,
            "column 3: expected one of \" \\ / n r t b f u, found 'q'",
        ),
        (
            r#""\ud83d.""#,
            "column 3: half of a surrogate pair is no character",
        ),
        (
            "\"a\tb\"",
            "column 3: expected an escape such as \\n or \\u0000, found '\\t'",
        ),
    ];
    for (text, error) in cases {
        assert_eq!(parse(text), Err(error.to_owned()), "{text}");
    }
}

#[test]
fn depth_has_a_limit() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = nested(MAX_DEPTH);
    assert_eq!(parse(&deepest).unwrap().to_string(), deepest);
    let error = format!("column {}: nested deeper than {MAX_DEPTH}", MAX_DEPTH + 1);
    assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(error));
    for open in ["[", "{[", "1(", "{1:"] {
        assert!(parse(&open.repeat(1_000_000)).is_err());
    }
}

#[test]
fn a_value_within_a_line_ends_where_it_ends() {
    let line = r#"é {"a b": 1}tail"#;
    let (value, end) = read(line, 2).unwrap();
    assert_eq!(value.to_string(), r#"{"a b": 1}"#);
    assert_eq!(&line[end..], "tail");
    assert_eq!(read(line, 15).unwrap_err().column(), 15);
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<u64>().prop_map(|n| Integer::negative(n).into()),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(f64::NAN.into()),
        Just(f64::INFINITY.into()),
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(|all| bytes(&all)),
        any::<String>().prop_map(Value::from),
        prop_oneof![0u8..20, Just(23), 32u8..].prop_map(Value::Simple),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 64, 6, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..6);
        let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..6);
        prop_oneof![
            list.prop_map(Value::from),
            pairs.prop_map(|pairs| Map::from(pairs).into()),
            (any::<u64>(), inner).prop_map(|(number, value)| tag(number, value)),
        ]
    })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let pairs = proptest::collection::vec((any::<String>(), inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Json::from),
            pairs.prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Compares the debug texts, in which NaN equals NaN.
    #[test]
    fn what_is_written_is_read_as_it_was(value in value()) {
        let read = parse(&value.to_string()).map(|value| format!("{value:?}"));
        prop_assert_eq!(read, Ok(format!("{value:?}")));
    }

    #[test]
    fn json_is_read_as_json(json in json(), pretty in any::<bool>()) {
        let text = match pretty {
            true => serde_json::to_string_pretty(&json).unwrap(),
            false => json.to_string(),
        };
        prop_assert_eq!(parse(&text), Ok(serde_json::from_str(&text).unwrap()));
    }

    #[test]
    fn whatever_is_read_nothing_breaks(
        text in prop_oneof![
            any::<String>(),
            "(\\[|\\]|\\{|\\}|\\(|\\)|,|:|'|\"|h'|b64'|simple|1|-|\\.|e|0|é|\\\\|u| ){0,24}",
        ],
        from in 0usize..8,
    ) {
        if let Ok((value, end)) = read(&text, from) {
            prop_assert!(text.is_char_boundary(end));
            let same = parse(&value.to_string()).map(|value| format!("{value:?}"));
            prop_assert_eq!(same, Ok(format!("{value:?}")));
        }
    }
}
