//! Enums: the four representations, and the attributes of variants.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use aemp::Value;
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
    enum External {
        Unit,
        New(i64),
        NewOption(Option<u8>),
        NewUnit(()),
        NewVec(Vec<u8>),
        NewTuple((u8, u8)),
        NewTupleOfOne((u8,)),
        NewStruct(Point),
        NewMap(BTreeMap<String, u8>),
        NewEnum(Inner),
        NewNested(Box<Self>),
        Tuple(i64, String),
        NoFields(),
        Struct { x: i64, y: Option<String> },
        NoNames {},
        #[serde(rename = "re-named")]
        Renamed(u8),
        Bytes(ByteBuf),
        Wide(u128),
    }
    struct Point { x: i64 }
    enum Inner { A, B(u8), C(u8, u8), D { d: u8 } }

    #[serde(tag = "type")]
    enum Internal { Unit, New(Point), NewMap(BTreeMap<String, u8>), Struct { x: i64, y: Vec<u8> }, NewEnum(InternalInner), NewUnit(()) }
    #[serde(tag = "kind")]
    enum InternalInner { A, B { n: u8 } }

    #[serde(tag = "t", content = "c")]
    enum Adjacent { Unit, New(i64), NewVec(Vec<u8>), NewOption(Option<u8>), Tuple(i64, String), Struct { x: i64 }, NewUnit(()) }

    #[serde(untagged)]
    enum Untagged { Num(i64), Float(f64), Text(String), List(Vec<i64>), Lists(Vec<Vec<i64>>), Struct { x: i64 }, Bool(bool), Unit }
    #[serde(untagged)]
    enum UntaggedTuples { Pair(i64, String), Triple(i64, i64, i64), Map(BTreeMap<String, i64>) }
    #[serde(untagged)]
    enum UntaggedOne { One((i64,)), Text(String) }
    #[serde(untagged)]
    enum UntaggedBoth { Number(i64), One((i64,)) }
    #[serde(untagged)]
    enum UntaggedNone { None([u8; 0]), Text(String) }
    #[serde(untagged)]
    enum UntaggedOption { Some(Option<i64>), Text(String) }
    #[serde(untagged)]
    enum UntaggedEnum { Enum(Inner), Number(i64) }
    #[serde(untagged)]
    enum UntaggedBytes { Bytes(ByteBuf), Number(i64) }
    #[serde(untagged)]
    enum UntaggedStructs { A { a: u8 }, B { b: u8 } }

    enum MixedAny { A(i64), B, #[serde(untagged)] Other(Value) }
    #[serde(untagged)]
    enum UntaggedAny { Fields { v: Value }, Number(i64) }
    #[serde(untagged)]
    enum UntaggedWide { Wide(i128), Text(String) }
    #[serde(tag = "type")]
    enum InternalAny { New(Value), Field { v: Value } }
    enum Mixed { A(i64), B, #[serde(untagged)] Other(String) }
    #[serde(tag = "type")]
    enum InternalOther { A { n: u8 }, #[serde(other)] Other }
    enum ExternalOther { A, #[serde(other)] Other }
    #[serde(tag = "t", content = "c")]
    enum AdjacentOther { A(u8), #[serde(other)] Other }
    enum Newer { Unit, New(u8), NewMap(BTreeMap<String, u8>), Tuple(u8, Inner), Struct { a: u8, b: Vec<u8> } }
    #[serde(tag = "type")]
    enum NewerInternal { New { a: u8, b: Vec<u8> } }
    #[serde(tag = "t", content = "c")]
    enum NewerAdjacent { New { a: u8 } }
    #[serde(rename_all = "kebab-case")]
    enum Kebab { TwoWords(u8), #[serde(alias = "x")] Aliased }
    enum Skips { A(#[serde(skip)] u8, i64), B { #[serde(skip)] a: u8, b: u8 }, #[serde(skip)] #[allow(dead_code)] C }
    enum Empty {}
    struct New<T>(T);
    #[serde(transparent)]
    struct Transparent { e: External }
    enum Numbers { #[serde(rename = "1")] One, #[serde(rename = "")] Nameless }
    enum Flattened { A { x: u8, #[serde(flatten)] rest: BTreeMap<String, u8> } }
    enum Single { Only }
    enum SingleNew { Only(u8) }
}

pub(super) fn all(m: &mut Matrix) {
    use External as E;
    m.same("external unit", E::Unit);
    m.same("external newtype", E::New(1));
    m.same("external newtype of None", E::NewOption(None));
    m.same("external newtype of Some", E::NewOption(Some(1)));
    m.same("external newtype of ()", E::NewUnit(()));
    m.same("external newtype of a Vec", E::NewVec(vec![1, 2]));
    m.same("external newtype of an empty Vec", E::NewVec(vec![]));
    m.same("external newtype of a tuple", E::NewTuple((1, 2)));
    m.same("external newtype of a tuple of one", E::NewTupleOfOne((1,)));
    m.same("external newtype of a struct", E::NewStruct(Point { x: 1 }));
    m.same(
        "external newtype of a map",
        E::NewMap(BTreeMap::from([("a".into(), 1)])),
    );
    m.same("external newtype of a unit variant", E::NewEnum(Inner::A));
    m.same(
        "external newtype of a newtype variant",
        E::NewEnum(Inner::B(1)),
    );
    m.same(
        "external newtype of a tuple variant",
        E::NewEnum(Inner::C(1, 2)),
    );
    m.same(
        "external newtype of a struct variant",
        E::NewEnum(Inner::D { d: 1 }),
    );
    m.same(
        "external newtype of itself",
        E::NewNested(Box::new(E::New(1))),
    );
    m.same(
        "external newtype of itself twice",
        E::NewNested(Box::new(E::NewNested(Box::new(E::Unit)))),
    );
    m.same("external tuple", E::Tuple(1, "a".into()));
    m.same("external tuple of none", E::NoFields());
    m.same(
        "external struct",
        E::Struct {
            x: 1,
            y: Some("y".into()),
        },
    );
    m.same("external struct of a None", E::Struct { x: 1, y: None });
    m.same("external struct of none", E::NoNames {});
    m.same("external renamed", E::Renamed(1));
    m.same("external bytes", E::Bytes(ByteBuf::from(*b"\xff")));
    m.same("external 2^64", E::Wide(1 << 64));
    m.same("Some of an external unit", Some(E::Unit));
    m.same("Some of an external newtype", Some(E::New(1)));
    m.same("Some of an external tuple", Some(E::Tuple(1, "a".into())));
    m.same(
        "Some of an external struct",
        Some(E::Struct { x: 1, y: None }),
    );
    m.same("None of an external", None::<External>);
    m.same("newtype of an external unit", New(E::Unit));
    m.same("newtype of an external tuple", New(E::Tuple(1, "a".into())));
    m.same("transparent external", Transparent { e: E::New(1) });
    m.same(
        "Vec of externals",
        vec![E::Unit, E::New(1), E::Tuple(2, "b".into())],
    );
    m.same("Vec of one external", vec![E::Unit]);
    m.fields("tuple of externals", (E::Unit, E::New(1)));
    m.fields("tuple of one external", (E::New(1),));
    m.same("Box of an external", Box::new(E::New(1)));
    m.same("Result Ok", Ok::<u8, String>(1));
    m.same("Result Err", Err::<u8, String>("e".into()));
    m.same("Result of units", Ok::<(), ()>(()));
    m.same("Bound", Bound::Included(1));
    m.same("Bound unbounded", Bound::<u8>::Unbounded);
    m.same("Range", Range { start: 1, end: 2 });
    m.same("single unit variant", Single::Only);
    m.same("single newtype variant", SingleNew::Only(1));

    m.same("internal unit", Internal::Unit);
    m.same("internal newtype", Internal::New(Point { x: 1 }));
    m.same(
        "internal newtype of a map",
        Internal::NewMap(BTreeMap::from([("a".into(), 1)])),
    );
    m.same("internal struct", Internal::Struct { x: 1, y: vec![1] });
    m.same(
        "internal newtype of an internal unit",
        Internal::NewEnum(InternalInner::A),
    );
    m.same(
        "internal newtype of an internal struct",
        Internal::NewEnum(InternalInner::B { n: 1 }),
    );
    m.same("internal newtype of ()", Internal::NewUnit(()));
    m.same("Some of an internal", Some(Internal::Unit));
    m.same(
        "Vec of internals",
        vec![Internal::Unit, Internal::New(Point { x: 1 })],
    );
    m.same("newtype of an internal", New(Internal::Unit));

    use Adjacent as A;
    m.same("adjacent unit", A::Unit);
    m.same("adjacent newtype", A::New(1));
    m.same("adjacent newtype of a Vec", A::NewVec(vec![1]));
    m.same("adjacent newtype of None", A::NewOption(None));
    m.same("adjacent newtype of Some", A::NewOption(Some(1)));
    m.same("adjacent tuple", A::Tuple(1, "a".into()));
    m.same("adjacent struct", A::Struct { x: 1 });
    m.same("adjacent newtype of ()", A::NewUnit(()));
    m.same("Some of an adjacent", Some(A::New(1)));
    m.same("Vec of adjacents", vec![A::Unit, A::New(1)]);

    use Untagged as U;
    m.same("untagged number", U::Num(5));
    m.same("untagged float", U::Float(0.5));
    m.same("untagged whole float", U::Float(5.0));
    m.same("untagged text", U::Text("t".into()));
    m.same("untagged list", U::List(vec![1, 2]));
    m.same("untagged list of one", U::List(vec![5]));
    m.same("untagged list of none", U::List(vec![]));
    m.same("untagged lists", U::Lists(vec![vec![5]]));
    m.same("untagged struct", U::Struct { x: 1 });
    m.same("untagged bool", U::Bool(true));
    m.same("untagged unit", U::Unit);
    m.same("untagged tuple", UntaggedTuples::Pair(1, "a".into()));
    m.same("untagged triple", UntaggedTuples::Triple(1, 2, 3));
    m.same(
        "untagged map",
        UntaggedTuples::Map(BTreeMap::from([("a".into(), 1)])),
    );
    m.same("untagged tuple of one", UntaggedOne::One((5,)));
    m.same(
        "untagged tuple of one beside its content",
        UntaggedBoth::One((5,)),
    );
    m.same(
        "untagged content beside a tuple of one",
        UntaggedBoth::Number(5),
    );
    m.same(
        "untagged beside a tuple of one",
        UntaggedOne::Text("t".into()),
    );
    m.same("untagged array of none", UntaggedNone::None([]));
    m.same("untagged Some", UntaggedOption::Some(Some(5)));
    m.same("untagged None", UntaggedOption::Some(None));
    m.same("untagged enum, unit", UntaggedEnum::Enum(Inner::A));
    m.same("untagged enum, newtype", UntaggedEnum::Enum(Inner::B(1)));
    m.same("untagged enum, tuple", UntaggedEnum::Enum(Inner::C(1, 2)));
    m.same(
        "untagged enum, struct",
        UntaggedEnum::Enum(Inner::D { d: 1 }),
    );
    m.same("untagged enum, other", UntaggedEnum::Number(1));
    m.same(
        "untagged bytes",
        UntaggedBytes::Bytes(ByteBuf::from(*b"\xff")),
    );
    m.same("untagged structs, first", UntaggedStructs::A { a: 1 });
    m.same("untagged structs, second", UntaggedStructs::B { b: 1 });
    m.same("Some of an untagged", Some(U::Num(5)));
    m.same("Some of an untagged list", Some(U::List(vec![5])));
    m.same("Some of an untagged unit", Some(U::Unit));
    m.same("Vec of untagged", vec![U::Num(5), U::Text("t".into())]);
    m.same("Vec of one untagged", vec![U::Num(5)]);
    m.same("newtype of an untagged", New(U::Num(5)));

    m.same("mixed newtype", Mixed::A(5));
    m.same("mixed newtype beside any value", MixedAny::A(5));
    m.same("mixed unit beside any value", MixedAny::B);
    m.same("mixed any value", MixedAny::Other(7.into()));
    let tag = || Value::Tag(1, Box::new(5.into()));
    m.same("untagged of any value", UntaggedAny::Fields { v: 5.into() });
    m.same("untagged of a tag", UntaggedAny::Fields { v: tag() });
    m.same("untagged of -2^64", UntaggedWide::Wide(-(1 << 64)));
    m.same("internal of a tag", InternalAny::New(tag()));
    m.same(
        "internal of a simple value",
        InternalAny::New(Value::Simple(23)),
    );
    m.same(
        "internal of a tag in a field",
        InternalAny::Field { v: tag() },
    );
    m.same(
        "internal of any value in a field",
        InternalAny::Field {
            v: vec![1.into()].into(),
        },
    );
    m.same("mixed unit", Mixed::B);
    m.same("mixed untagged", Mixed::Other("o".into()));
    m.same("internal beside other", InternalOther::A { n: 1 });
    m.same("internal other", InternalOther::Other);
    m.same("external beside other", ExternalOther::A);
    m.same("external other", ExternalOther::Other);
    // The variants of a later version, in a program that has a variant for others.
    for (name, newer) in [
        ("newer unit", Newer::Unit),
        ("newer newtype", Newer::New(1)),
        ("newer newtype of a map", Newer::NewMap(BTreeMap::new())),
        ("newer tuple", Newer::Tuple(1, Inner::D { d: 1 })),
        ("newer struct", Newer::Struct { a: 1, b: vec![2] }),
    ] {
        m.one(name, &newer, &ExternalOther::Other);
    }
    let newer = NewerInternal::New { a: 1, b: vec![2] };
    m.one("newer internal", &newer, &InternalOther::Other);
    m.one(
        "newer adjacent",
        &NewerAdjacent::New { a: 1 },
        &AdjacentOther::Other,
    );
    m.same("adjacent beside other", AdjacentOther::A(1));
    m.same("kebab case", Kebab::TwoWords(1));
    m.same("kebab case with an alias", Kebab::Aliased);
    m.same("variant that skips a field", Skips::A(0, 1));
    m.same("struct variant that skips a field", Skips::B { a: 0, b: 1 });
    m.same("None of an empty enum", None::<Empty>);
    m.same("variant named by a digit", Numbers::One);
    m.same("variant without a name", Numbers::Nameless);
    m.same(
        "struct variant with flatten",
        Flattened::A {
            x: 1,
            rest: BTreeMap::from([("a".into(), 1)]),
        },
    );
}
