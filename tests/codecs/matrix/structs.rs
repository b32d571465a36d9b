//! Structs, with serde's attributes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Matrix;

macro_rules! shapes {
    ($($item:item)*) => {$(
        #[derive(Serialize, Deserialize, PartialEq)]
        $item
    )*};
}

shapes! {
    struct Point { x: i64, y: f64 }
    struct Empty {}
    struct Line { from: Point, to: Point }
    #[serde(rename_all = "camelCase")]
    struct Renamed { long_name: u8, #[serde(rename = "type")] kind: String }
    struct Defaults { #[serde(default)] a: u8, #[serde(default, skip_serializing_if = "Option::is_none")] b: Option<u8> }
    struct Skips { a: u8, #[serde(skip)] b: u8 }
    struct Aliased { #[serde(alias = "other")] a: u8 }
    #[serde(deny_unknown_fields)]
    struct Strict { a: u8 }
    struct Flat { a: u8, #[serde(flatten)] point: Point }
    struct FlatMap { a: u8, #[serde(flatten)] rest: BTreeMap<String, i64> }
    struct FlatAny { a: u8, #[serde(flatten)] rest: BTreeMap<String, serde_json::Value> }
    struct FlatValues { a: u8, #[serde(flatten)] rest: BTreeMap<String, aemp::Value> }
    struct FlatNumbers { a: u8, #[serde(flatten)] rest: BTreeMap<u64, u8> }
    struct FlatValue { a: u8, #[serde(flatten)] rest: aemp::Value }
    struct FlatWide { a: u8, #[serde(flatten)] rest: BTreeMap<String, i128> }
    struct FlatNone { a: u8, #[serde(flatten)] rest: Option<BTreeMap<String, u8>> }
    struct FlatOption { a: u8, #[serde(flatten)] point: Option<Point> }
    struct FlatEnum { a: u8, #[serde(flatten)] which: Which }
    struct FlatTagged { a: u8, #[serde(flatten)] which: Tagged }
    enum Which { A { n: u8 }, B(String) }
    #[serde(tag = "kind")]
    enum Tagged { A { n: u8 }, B }
    #[serde(transparent)]
    struct Only { inner: Point }
    struct Generic<T> { t: T }
    struct With { #[serde(with = "serde_bytes")] bytes: Vec<u8> }
    struct Borrowed<'a> { text: Cow<'a, str> }
    struct Units { a: (), b: Option<()>, c: Marker }
    struct Marker;
    struct Tree { name: String, children: Vec<Self> }
    struct Options { a: Option<u8>, b: Option<Option<u8>>, c: Option<Vec<u8>> }
    struct Bytes { b: ByteBuf }
    struct Wide { a: i128, b: u128 }
    #[serde(into = "(u8, u8)", from = "(u8, u8)")]
    struct AsTuple { a: u8, b: u8 }
    #[serde(into = "String", try_from = "String")]
    struct AsText { n: u8 }
    struct Double(#[serde(with = "text")] u64);
    struct Doubles { #[serde(with = "text")] n: u64 }
}

impl Clone for AsTuple {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl From<AsTuple> for (u8, u8) {
    fn from(AsTuple { a, b }: AsTuple) -> Self {
        (a, b)
    }
}

impl From<(u8, u8)> for AsTuple {
    fn from((a, b): (u8, u8)) -> Self {
        Self { a, b }
    }
}

impl Clone for AsText {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl From<AsText> for String {
    fn from(AsText { n }: AsText) -> Self {
        n.to_string()
    }
}

impl TryFrom<String> for AsText {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(|n| Self { n })
    }
}

mod text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(n: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(n)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

fn point() -> Point {
    Point { x: -1, y: 0.5 }
}

pub(super) fn all(m: &mut Matrix) {
    m.same("struct", point());
    m.same("struct empty", Empty {});
    m.same(
        "struct of structs",
        Line {
            from: point(),
            to: point(),
        },
    );
    m.same(
        "struct renamed",
        Renamed {
            long_name: 1,
            kind: "k".into(),
        },
    );
    m.same("struct with defaults, absent", Defaults { a: 0, b: None });
    m.same("struct with defaults, there", Defaults { a: 1, b: Some(2) });
    m.same("struct that skips", Skips { a: 1, b: 0 });
    m.same("struct with an alias", Aliased { a: 1 });
    m.same("struct that denies", Strict { a: 1 });
    m.same(
        "flatten of a struct",
        Flat {
            a: 1,
            point: point(),
        },
    );
    m.same(
        "flatten of a map",
        FlatMap {
            a: 1,
            rest: BTreeMap::from([("b".into(), 2)]),
        },
    );
    m.same(
        "flatten of an empty map",
        FlatMap {
            a: 1,
            rest: BTreeMap::new(),
        },
    );
    let rest = BTreeMap::from([("b".into(), serde_json::json!([1, null]))]);
    m.same("flatten of json", FlatAny { a: 1, rest });
    let rest = BTreeMap::from([("b".into(), aemp::Value::from(vec![1.into()]))]);
    m.same("flatten of Values", FlatValues { a: 1, rest });
    let rest = BTreeMap::from([("b".into(), aemp::Value::Tag(7, Box::new(1.into())))]);
    m.same("flatten of a tag", FlatValues { a: 1, rest });
    let rest = BTreeMap::from([(
        "b".into(),
        aemp::Value::from(bytes::Bytes::from_static(b"\xff")),
    )]);
    m.same("flatten of bytes", FlatValues { a: 1, rest });
    m.same(
        "flatten of integer keys",
        FlatNumbers {
            a: 1,
            rest: BTreeMap::from([(0, 5)]),
        },
    );
    m.same(
        "flatten of a Value",
        FlatValue {
            a: 1,
            rest: aemp::Value::Tag(7, Box::new(1.into())),
        },
    );
    m.same(
        "flatten of -2^64",
        FlatWide {
            a: 1,
            rest: BTreeMap::from([("w".into(), -(1 << 64))]),
        },
    );
    m.same("flatten of a None of a map", FlatNone { a: 1, rest: None });
    m.same(
        "flatten of a Some",
        FlatOption {
            a: 1,
            point: Some(point()),
        },
    );
    m.same("flatten of a None", FlatOption { a: 1, point: None });
    m.same(
        "flatten of an enum, struct",
        FlatEnum {
            a: 1,
            which: Which::A { n: 2 },
        },
    );
    m.same(
        "flatten of an enum, newtype",
        FlatEnum {
            a: 1,
            which: Which::B("b".into()),
        },
    );
    m.same(
        "flatten of a tagged enum",
        FlatTagged {
            a: 1,
            which: Tagged::A { n: 2 },
        },
    );
    m.same(
        "flatten of a tagged unit",
        FlatTagged {
            a: 1,
            which: Tagged::B,
        },
    );
    m.same("struct transparent", Only { inner: point() });
    m.same("struct of a Vec", Generic { t: vec![1] });
    m.same("struct of a tuple", Generic { t: (1, 2) });
    m.same("struct of a tuple of one", Generic { t: (1,) });
    m.same("struct of an Option", Generic { t: None::<u8> });
    m.same(
        "struct of Some(None)",
        Generic {
            t: Some(None::<u8>),
        },
    );
    m.same("struct of a float", Generic { t: 3.0f32 });
    m.same(
        "struct with bytes",
        With {
            bytes: vec![0, 255],
        },
    );
    m.same("struct with a Cow", Borrowed { text: "t".into() });
    m.same(
        "struct of units",
        Units {
            a: (),
            b: None,
            c: Marker,
        },
    );
    m.same(
        "struct of Some(())",
        Units {
            a: (),
            b: Some(()),
            c: Marker,
        },
    );
    m.same(
        "struct recursive",
        Tree {
            name: "r".into(),
            children: vec![Tree {
                name: "c".into(),
                children: vec![],
            }],
        },
    );
    m.same(
        "struct of options",
        Options {
            a: None,
            b: None,
            c: Some(vec![]),
        },
    );
    m.same(
        "struct of Some(Some)",
        Options {
            a: Some(1),
            b: Some(Some(2)),
            c: None,
        },
    );
    m.same(
        "struct of bytes",
        Bytes {
            b: ByteBuf::from(*b"\xff"),
        },
    );
    m.same(
        "struct of wide integers",
        Wide {
            a: -(1 << 64),
            b: (1 << 64) - 1,
        },
    );
    m.same("struct of wider integers", Wide { a: 0, b: 1 << 64 });
    m.fields("struct into a tuple", AsTuple { a: 1, b: 2 });
    m.same("struct into a text", AsText { n: 7 });
    m.same("newtype with", Double(7));
    m.same("struct with", Doubles { n: 7 });
    m.same("Some of a struct", Some(point()));
    m.same("Some of an empty struct", Some(Empty {}));
    m.same("Vec of structs", vec![point(), point()]);
    m.same("Vec of one struct", vec![point()]);
    m.same("Box of a struct", Box::new(point()));
}
