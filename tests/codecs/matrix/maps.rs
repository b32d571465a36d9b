//! Maps, and dynamic values of our own and of other libraries.

use std::collections::{BTreeMap, HashMap};

use aemp::{Map, Value};
use bytes::Bytes;
use ciborium::tag::{Accepted, Captured, Required};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::json;

use super::Matrix;

#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Color {
    Red,
    Green,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key(String);

#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct NumberKey(u32);

#[derive(Serialize, Deserialize, PartialEq)]
struct HoldsJson {
    v: serde_json::Value,
}

fn pairs(pairs: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::Map(pairs.into_iter().collect::<Map>())
}

pub(super) fn all(m: &mut Matrix) {
    m.same(
        "BTreeMap",
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
    );
    m.same("BTreeMap empty", BTreeMap::<String, u8>::new());
    m.same("HashMap", HashMap::from([("a".to_owned(), vec![1])]));
    m.same("map of an empty key", BTreeMap::from([(String::new(), 1)]));
    m.same("map of chars", BTreeMap::from([('c', 1)]));
    m.same(
        "map of newtypes of String",
        BTreeMap::from([(Key("k".into()), 1)]),
    );
    m.same(
        "map of unit variants",
        BTreeMap::from([(Color::Red, 1), (Color::Green, 2)]),
    );
    m.same(
        "map of integers",
        BTreeMap::from([(1u64, "a".to_owned()), (2, "b".to_owned())]),
    );
    m.same("map of negative integers", BTreeMap::from([(-1i64, 1)]));
    m.same(
        "map of newtypes of integers",
        BTreeMap::from([(NumberKey(7), 1)]),
    );
    m.same("map of bools", BTreeMap::from([(true, 1)]));
    m.same(
        "map of bytes",
        BTreeMap::from([(ByteBuf::from(*b"\xff"), 1)]),
    );
    m.same("map of tuples", BTreeMap::from([((1, 2), 1)]));
    m.same("map of Vecs", BTreeMap::from([(vec![1], 1)]));
    m.same("map of units", BTreeMap::from([((), 1)]));
    m.same(
        "map of options",
        BTreeMap::from([(Some("a".to_owned()), 1)]),
    );
    m.same("map of None", BTreeMap::from([(None::<String>, 1)]));
    m.same(
        "map of maps",
        BTreeMap::from([("a".to_owned(), BTreeMap::from([("b".to_owned(), 1)]))]),
    );
    m.same(
        "map of Some(None)",
        BTreeMap::from([("a".to_owned(), Some(None::<u8>))]),
    );
    m.same("map to units", BTreeMap::from([("a".to_owned(), ())]));
    m.same(
        "map to options",
        BTreeMap::from([("a".to_owned(), None::<u8>)]),
    );
    m.same(
        "map like a variant",
        BTreeMap::from([("Red".to_owned(), ())]),
    );
    m.same("Some of a map", Some(BTreeMap::from([("a".to_owned(), 1)])));

    m.same("Value null", Value::Null);
    m.same("Value bool", Value::from(true));
    m.same("Value integer", Value::from(-5));
    m.same("Value float", Value::from(0.5));
    m.same("Value whole float", Value::from(5.0));
    m.same("Value text", Value::from("t"));
    m.same("Value bytes", Value::from(Bytes::from_static(b"\xff")));
    m.same("Value array", Value::from(vec![1.into(), 2.into()]));
    m.same("Value array of none", Value::from(vec![]));
    m.same("Value array of one", Value::from(vec![5.into()]));
    m.same("Value array of a null", Value::from(vec![Value::Null]));
    m.same(
        "Value array of an array",
        Value::from(vec![Value::from(vec![1.into()])]),
    );
    m.same("Value map", pairs([("a".into(), 1.into())]));
    m.same(
        "Value map of other keys",
        pairs([(1.into(), 1.into()), (Value::Null, 2.into())]),
    );
    m.same(
        "Value map of one key twice",
        pairs([("a".into(), 1.into()), ("a".into(), 2.into())]),
    );
    m.same(
        "Value map like a variant",
        pairs([("Red".into(), Value::Null)]),
    );
    m.same("Value tag", Value::Tag(1, Box::new(5.into())));
    m.same(
        "Value tag of an array",
        Value::Tag(100, Box::new(vec![1.into()].into())),
    );
    m.same(
        "Value tag of a tag",
        Value::Tag(1, Box::new(Value::Tag(2, Box::default()))),
    );
    m.same("Value undefined", Value::Simple(23));
    m.same("Value simple 0", Value::Simple(0));
    m.same("Value simple 19", Value::Simple(19));
    m.same("Value simple 20", Value::Simple(20));
    m.same("Value simple 21", Value::Simple(21));
    m.same("Value simple 22", Value::Simple(22));
    m.same("Value simple 24", Value::Simple(24));
    m.same("Value simple 31", Value::Simple(31));
    m.same("Value simple 32", Value::Simple(32));
    m.same("Value simple 255", Value::Simple(255));
    m.same(
        "Vec of Values",
        vec![Value::Null, 1.into(), vec![2.into()].into()],
    );
    m.same("Some of a Value", Some(Value::from(5)));
    m.same("Some of a Value null", Some(Value::Null));
    m.same("Some of a Value undefined", Some(Value::Simple(23)));
    m.same("Map", Map::from(vec![("a".into(), 1.into())]));
    m.same("Map empty", Map::from(vec![]));

    m.same("json null", json!(null));
    m.same("json bool", json!(true));
    m.same("json integer", json!(5));
    m.same("json float", json!(0.5));
    m.same("json whole float", json!(5.0));
    m.same("json text", json!("t"));
    m.same("json array", json!([1, "a", null]));
    m.same("json array of none", json!([]));
    m.same("json array of one", json!([5]));
    m.same("json array of an array", json!([[1]]));
    m.same("json object", json!({"total": 5}));
    m.same("json object empty", json!({}));
    m.same("json object like a variant", json!({"Red": null}));
    m.same(
        "json in a struct",
        HoldsJson {
            v: json!({"a": [1]}),
        },
    );
    m.same("json null in a struct", HoldsJson { v: json!(null) });
    m.same("Some of json", Some(json!([1])));
    m.same("Some of json null", Some(json!(null)));

    use ciborium::Value as Cbor;
    m.same("ciborium null", Cbor::Null);
    m.same("ciborium integer", Cbor::from(5));
    m.same("ciborium float", Cbor::from(0.5));
    m.same("ciborium text", Cbor::from("t"));
    m.same("ciborium bytes", Cbor::from(vec![255u8]));
    m.same("ciborium array", Cbor::Array(vec![1.into(), 2.into()]));
    m.same("ciborium array of one", Cbor::Array(vec![1.into()]));
    m.same("ciborium array of none", Cbor::Array(vec![]));
    m.same("ciborium map", Cbor::Map(vec![("a".into(), 1.into())]));
    m.same(
        "ciborium map of other keys",
        Cbor::Map(vec![(1.into(), 1.into())]),
    );
    m.same("ciborium tag", Cbor::Tag(1, Box::new(5.into())));
    m.same(
        "ciborium tag of an array",
        Cbor::Tag(100, Box::new(Cbor::Array(vec![1.into()]))),
    );
    m.same("ciborium Required", Required::<u64, 1>(5));
    m.same("ciborium Accepted", Accepted::<u64, 1>(5));
    m.same("ciborium Captured", Captured(Some(7), 5u64));
    m.same("ciborium Captured none", Captured(None, 5u64));
    m.same(
        "Some of ciborium Captured null",
        Some(Captured(None, None::<u8>)),
    );
    m.same("Some of ciborium Captured", Some(Captured(None, 5u64)));
    m.same(
        "ciborium Required of a tuple",
        Required::<(u8, u8), 1>((1, 2)),
    );
}
