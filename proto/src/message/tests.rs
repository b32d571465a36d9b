//! Serializing to and parsing from messages, for every kind of type in serde's data model, and the errors.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::Map;
use crate::PortId;
use crate::value::{Spread, from_value, to_value, to_values};

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Shapes {
    Unit,
    Newtype(i64),
    Tuple(i64, String),
    Struct { x: i64, y: Option<String> },
    Many(Vec<u8>, BTreeMap<String, f64>),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Plain {
    a: u8,
    b: Vec<Shapes>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Pair(i64, String);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct New(Pair);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Nothing;

fn round<T>(message: T, elements: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let values = to_values(&message).unwrap();
    assert_eq!(to_value(&values).unwrap().to_string(), elements);
    let parsed: T = Message::from(values).parse().unwrap();
    assert_eq!(parsed, message);
    let there: T = from_value(to_value(&message).unwrap()).unwrap();
    assert_eq!(there, message);
}

#[test]
fn every_shape_has_its_elements_and_comes_back() {
    round((), "[]");
    round(Nothing, "[]");
    round(7, "[7]");
    round("x".to_owned(), r#"["x"]"#);
    round(true, "[true]");
    round(("add".to_owned(), 1), r#"["add", 1]"#);
    round([1, 2, 3], "[1, 2, 3]");
    round(vec![1, 2, 3], "[[1, 2, 3]]");
    round(Spread(vec![1, 2, 3]), "[1, 2, 3]");
    round(Shapes::Unit, r#"["Unit"]"#);
    round(Shapes::Newtype(1), r#"["Newtype", 1]"#);
    round(Shapes::Tuple(1, "a".into()), r#"["Tuple", 1, "a"]"#);
    round(
        Shapes::Struct { x: 1, y: None },
        r#"["Struct", {"x": 1, "y": null}]"#,
    );
    let map = BTreeMap::from([("k".to_owned(), 0.5)]);
    round(Shapes::Many(vec![1], map), r#"["Many", [1], {"k": 0.5}]"#);
    let nested = vec![
        Shapes::Unit,
        Shapes::Newtype(1),
        Shapes::Tuple(2, "b".into()),
    ];
    round(
        Plain { a: 1, b: nested },
        r#"[{"a": 1, "b": ["Unit", {"Newtype": 1}, {"Tuple": [2, "b"]}]}]"#,
    );
    round(Pair(1, "p".into()), r#"[1, "p"]"#);
    round(New(Pair(1, "p".into())), r#"[1, "p"]"#);
    round(Some(5), "[5]");
    round(None::<i64>, "[null]");
    round(BTreeMap::from([("a".to_owned(), 1)]), r#"[{"a": 1}]"#);
    let port: PortId = "n#p".parse().unwrap();
    round(("call".to_owned(), port), r#"["call", "n#p"]"#);
}

#[test]
fn the_whole_value_model_passes_through_serde() {
    let values = [
        Value::Tag(1, Box::new(Value::Tag(2, Box::new(Value::Null)))),
        Value::Simple(23),
        Value::Integer(crate::Integer::MIN),
        Bytes::from_static(b"\xff").into(),
        Value::Map(Map::from(vec![
            (1.into(), 2.into()),
            (1.into(), Value::Null),
        ])),
    ];
    for value in values {
        assert_eq!(to_value(&value).unwrap(), value);
        assert_eq!(from_value::<Value>(value.clone()).unwrap(), value);
        let message = (&value,).into_message().unwrap();
        assert_eq!(message.clone().parse::<(Value,)>().unwrap().0, value);
        assert_eq!(message.to_values().unwrap()[0], value);
        assert_eq!(to_values(&value).unwrap()[0], value);
    }
}

fn error<T: DeserializeOwned + Debug>(message: impl Serialize) -> String {
    let message = message.into_message().unwrap();
    message.parse::<T>().unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_says_where_and_what() {
    assert_eq!(
        error::<(String, i64, i64)>(("a", 1, "x")),
        r#"element 2: expected i64, found text "x""#
    );
    assert_eq!(
        error::<(String, u8)>(("a", 300)),
        "element 1: expected u8, found integer 300"
    );
    assert_eq!(
        error::<(String, i64)>(("a", 1, 2, 3)),
        "expected 2 elements, found 4 elements"
    );
    assert_eq!(
        error::<(String, i64)>(("a",)),
        "expected a tuple of size 2, found 1 element"
    );
    assert_eq!(
        error::<Shapes>(("Newtype", "x")),
        r#"element 1: expected i64, found text "x""#
    );
    assert_eq!(
        error::<Shapes>("Other"),
        r#"element 0: expected one of Unit, Newtype, Tuple, Struct, Many, found text "Other""#
    );
    assert_eq!(
        error::<(PortId,)>(("a b",)),
        r#"element 0: "a b" is no node ID: it has white space, a control or invisible character, or one of # ; ,"#
    );
}

#[test]
fn an_integer_is_no_name_of_a_variant_or_a_field() {
    let tag = "element 0: expected the name of a variant or a field, found integer 0";
    assert_eq!(error::<Shapes>((0,)), tag);
    let pair = |key: i64| Value::Map(vec![(key.into(), 1.into())].into());
    let variant = "element 0: expected the name of a variant or a field, found integer 1";
    assert_eq!(error::<(Shapes,)>((pair(1),)), variant);
    let tagged = |n: i64| Value::Tag(99, Box::new(n.into()));
    assert_eq!(error::<Shapes>((tagged(0),)), tag);
    let tagged_pair = Value::Map(vec![(tagged(1), 1.into())].into());
    assert_eq!(error::<(Shapes,)>((tagged_pair,)), variant);
    let field = "element 1: expected the name of a variant or a field, found integer 0";
    assert_eq!(error::<Shapes>(("Struct", pair(0))), field);
    let inside = Value::Map(vec![("Struct".into(), pair(0))].into());
    let field = "element 0: expected the name of a variant or a field, found integer 0";
    assert_eq!(error::<(Shapes,)>((inside,)), field);
}

#[test]
fn the_content_of_a_variant_that_a_type_does_not_know_is_skipped_and_that_of_a_unit_is_not() {
    #[derive(Deserialize, Debug, PartialEq)]
    enum Older {
        Stop,
        #[serde(alias = "Halt")]
        Pause(u8),
        #[serde(other)]
        Other,
    }
    let older = |message: &[Value]| Message::from_iter(message.iter().cloned()).parse::<Older>();
    let inside = |value: Value| Message::from_iter([value]).parse::<(Older,)>();
    let pair = |key: &str, value: Value| Value::Map(vec![(key.into(), value)].into());
    assert_eq!(
        older(&["Start".into(), 1.into(), Value::Null]),
        Ok(Older::Other)
    );
    assert_eq!(older(&["Start".into()]), Ok(Older::Other));
    assert_eq!(older(&["Halt".into(), 1.into()]), Ok(Older::Pause(1)));
    let surplus = "expected 1 element, found 2 elements";
    assert_eq!(
        older(&["Stop".into(), 1.into()]).unwrap_err().to_string(),
        surplus
    );
    let many = vec![Value::from(1), 2.into()];
    assert_eq!(
        inside(pair("Start", many.clone().into())),
        Ok((Older::Other,))
    );
    assert_eq!(inside(pair("Halt", 1.into())), Ok((Older::Pause(1),)));
    let content = "element 0: expected unit, found an array";
    assert_eq!(
        inside(pair("Stop", many.into())).unwrap_err().to_string(),
        content
    );
}

#[test]
fn arguments_are_what_follows_the_tag() {
    let message = Message::from_iter([Value::from("add"), 41.into(), "n#p".into()]);
    let (n, reply): (i64, PortId) = message.clone().parse_args().unwrap();
    assert_eq!((n, reply.to_string()), (41, "n#p".to_owned()));
    assert_eq!(
        message
            .parse_args::<(String, PortId)>()
            .unwrap_err()
            .to_string(),
        "element 1: expected a string, found integer 41"
    );
}

#[test]
fn integers_beyond_the_model_and_nesting_beyond_the_limit_are_refused() {
    let error = to_values(&("a", u128::MAX)).unwrap_err().to_string();
    assert!(
        error.starts_with("element 1 cannot be serialised: the integer 3402"),
        "{error}"
    );
    #[derive(Serialize)]
    struct Deep(Vec<Self>);
    let mut deep = Deep(vec![]);
    for _ in 0..600 {
        deep = Deep(vec![deep]);
    }
    let error = to_values(&("a", deep)).unwrap_err().to_string();
    assert_eq!(error, "element 1 nests deeper than the limit of 512");
}

#[test]
fn an_error_does_not_repeat_all_that_a_peer_sent() {
    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Strict {}
    let long = "x".repeat(100_000);
    for error in [
        error::<(i64,)>((&long,)),
        error::<Shapes>(&long),
        error::<Strict>(BTreeMap::from([(&long, 1)])),
        error::<(PortId,)>((format!("a b{long}"),)),
    ] {
        assert!(error.len() < 400, "{} bytes", error.len());
    }
}
