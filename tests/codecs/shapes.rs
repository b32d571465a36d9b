//! Types of every shape of serde's data model, inside a message and as the message: a codec writes them and reads back the
//! values that `to_values` builds.

use std::collections::BTreeMap;

use aemp::Value;
use aemp::codec::{Codec, EncodeError, Frame, Outgoing, PeerInfo};
use aemp::message::to_values;
use bytes::BytesMut;
use ciborium::tag::Captured;
use proptest::prelude::*;
use serde::{Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::support::*;

/// Serialises as its content.
#[derive(Serialize, Debug, Clone)]
#[serde(untagged)]
enum Shape {
    Nothing(()),
    Marker(Marker),
    Bool(bool),
    Integer(i64),
    Wide(i128),
    Single(f32),
    Double(f64),
    Char(char),
    Text(String),
    Bytes(ByteBuf),
    Optional(Option<Box<Self>>),
    List(Vec<Self>),
    /// A sequence of unknown length.
    Stream(#[serde(serialize_with = "stream")] Vec<Self>),
    Tuple(Box<(Self, u8, Self)>),
    Pair(Box<Pair>),
    New(Box<New>),
    Record(Box<Record>),
    Names(BTreeMap<String, Self>),
    Pairs(#[serde(serialize_with = "pairs")] Vec<(Key, Self)>),
    /// A map of unknown length.
    Flattened(Box<Flattened>),
    Enum(Box<Enum>),
    Tagged(Captured<Box<Self>>),
    Value(Value),
}

#[derive(Serialize, Debug, Clone)]
struct Marker;

#[derive(Serialize, Debug, Clone)]
struct Pair(Shape, Shape);

#[derive(Serialize, Debug, Clone)]
struct New(Shape);

#[derive(Serialize, Debug, Clone)]
struct Record {
    a: Shape,
    long_name_that_takes_memory: Shape,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<u8>,
}

#[derive(Serialize, Debug, Clone)]
struct Flattened {
    a: Shape,
    #[serde(flatten)]
    rest: BTreeMap<String, Shape>,
}

#[derive(Serialize, Debug, Clone)]
enum Enum {
    Unit,
    New(Shape),
    Tuple(Shape, Shape),
    Struct { a: Shape, b: Shape },
    Empty {},
    None(),
}

#[derive(Serialize, Debug, Clone)]
#[serde(untagged)]
enum Key {
    Text(String),
    Char(char),
    Optional(Option<String>),
    Enum(Enum),
    Bytes(ByteBuf),
    Integer(i64),
    List(Vec<u8>),
}

fn stream<S: Serializer>(items: &[Shape], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(items.iter().filter(|_| true))
}

fn pairs<S: Serializer>(pairs: &[(Key, Shape)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

fn bytes() -> impl Strategy<Value = ByteBuf> {
    prop::collection::vec(any::<u8>(), 0..30).prop_map(ByteBuf::from)
}

fn key() -> impl Strategy<Value = Key> {
    // Most keys are texts, which both codecs have.
    prop_oneof![
        20 => any::<String>().prop_map(Key::Text),
        4 => any::<char>().prop_map(Key::Char),
        4 => Just(Key::Enum(Enum::Unit)),
        2 => any::<Option<String>>().prop_map(Key::Optional),
        1 => bytes().prop_map(Key::Bytes),
        1 => any::<i64>().prop_map(Key::Integer),
        1 => any::<Vec<u8>>().prop_map(Key::List),
        1 => any::<bool>().prop_map(|b| Key::Enum(Enum::New(Shape::Bool(b)))),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    use Shape::*;
    let leaf = prop_oneof![
        20 => prop_oneof![
            Just(Nothing(())),
            Just(Marker(self::Marker)),
            any::<bool>().prop_map(Bool),
            any::<i64>().prop_map(Integer),
            any::<u64>().prop_map(|n| Wide(n.into())),
            (-1000..1000i16).prop_map(|n| Single(f32::from(n) / 4.0)),
            proptest::num::f64::NORMAL.prop_map(Double),
            any::<char>().prop_map(Char),
            any::<String>().prop_map(Text),
            Just(Optional(None)),
            Just(Enum(Box::new(self::Enum::Unit))),
            plain_value().prop_map(Value),
        ],
        1 => bytes().prop_map(Bytes),
        1 => any::<i128>().prop_map(Wide),
        1 => Just(Double(f64::INFINITY)),
        1 => any_value().prop_map(Value),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let two = (inner.clone(), inner.clone());
        let some = prop::collection::vec(inner.clone(), 0..4);
        let named = prop::collection::btree_map(any::<String>(), inner.clone(), 0..4);
        let variant = |of: self::Enum| Enum(Box::new(of));
        prop_oneof![
            inner.clone().prop_map(|one| Optional(Some(Box::new(one)))),
            some.clone().prop_map(List),
            some.prop_map(Stream),
            (inner.clone(), any::<u8>(), inner.clone()).prop_map(|parts| Tuple(Box::new(parts))),
            two.clone()
                .prop_map(|(a, b)| Pair(Box::new(self::Pair(a, b)))),
            inner.clone().prop_map(|one| New(Box::new(self::New(one)))),
            (two.clone(), any::<Option<u8>>()).prop_map(|((a, b), c)| {
                let long_name_that_takes_memory = b;
                Record(Box::new(self::Record {
                    a,
                    long_name_that_takes_memory,
                    c,
                }))
            }),
            named.clone().prop_map(Names),
            prop::collection::vec((key(), inner.clone()), 0..4).prop_map(Pairs),
            (inner.clone(), named)
                .prop_map(|(a, rest)| Flattened(Box::new(self::Flattened { a, rest }))),
            inner
                .clone()
                .prop_map(move |one| variant(self::Enum::New(one))),
            two.clone()
                .prop_map(move |(a, b)| variant(self::Enum::Tuple(a, b))),
            two.prop_map(move |(a, b)| variant(self::Enum::Struct { a, b })),
            Just(variant(self::Enum::Empty {})),
            Just(variant(self::Enum::None())),
            (any::<Option<u64>>(), inner)
                .prop_map(|(tag, one)| Tagged(Captured(tag, Box::new(one)))),
        ]
    })
}

fn written(codec: &dyn Codec, to: &PeerInfo, body: Outgoing<'_>) -> Result<BytesMut, EncodeError> {
    let mut out = BytesMut::new();
    let frame = Frame::with_body("port", body);
    aemp::codec::encode(codec, &frame, to, &mut out).map(|()| out)
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn what_is_written_from_a_type_and_read_is_what_to_values_builds(message in shape()) {
        let built = to_values(&message);
        for codec in CODECS {
            for to in [peer(), perl()] {
                let typed = written(codec, &to, Outgoing::Typed(&message));
                let by_values = built.clone().and_then(|values| written(codec, &to, Outgoing::Values(&values)));
                // The bytes of a sequence of unknown length differ from those of an array.
                prop_assert_eq!(typed.err(), by_values.err());
            }
            if let Ok(wire) = written(codec, &peer(), Outgoing::Typed(&message)) {
                let received = decode(codec, &peer(), &wire).unwrap().remove(0).message;
                prop_assert_eq!(&*received.to_values().unwrap(), &built.clone().unwrap()[..]);
            }
        }
    }
}
