//! Scalars, units, options, bytes.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroI8, NonZeroU64, Wrapping};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use aemp::{Integer, NodeId, PortId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Matrix;

#[derive(Serialize, Deserialize, PartialEq)]
struct Marker;

#[derive(Serialize, Deserialize, PartialEq)]
struct Meters(f64);

#[derive(Serialize, Deserialize, PartialEq)]
struct Name(String);

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(transparent)]
struct Transparent {
    inner: u16,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct Maybe(Option<u8>);

#[derive(Serialize, Deserialize, PartialEq)]
struct Deep(Name);

pub(super) fn all(m: &mut Matrix) {
    m.same("false", false);
    m.same("true", true);
    m.same("i8 min", i8::MIN);
    m.same("i16 min", i16::MIN);
    m.same("i32 min", i32::MIN);
    m.same("i64 min", i64::MIN);
    m.same("i64 max", i64::MAX);
    m.same("i64 zero", 0i64);
    m.same("i64 -1", -1i64);
    m.same("u8 max", u8::MAX);
    m.same("u16 max", u16::MAX);
    m.same("u32 max", u32::MAX);
    m.same("u64 max", u64::MAX);
    m.same("u64 2^53+1", (1u64 << 53) + 1);
    m.same("i128 small", -5i128);
    m.same("i128 -2^64", -(1i128 << 64));
    m.same("i128 min", i128::MIN);
    m.same("u128 small", 5u128);
    m.same("u128 2^64-1", u128::from(u64::MAX));
    m.same("u128 2^64", 1u128 << 64);
    m.same("u128 max", u128::MAX);
    m.same("usize", usize::MAX);
    m.same("NonZero", NonZeroU64::new(7).unwrap());
    m.same("NonZeroI8", NonZeroI8::new(-7).unwrap());
    m.same("Wrapping", Wrapping(7u8));
    m.same("f32", 0.1f32);
    m.same("f32 max", f32::MAX);
    m.same("f32 whole", 3.0f32);
    m.same("f32 least", f32::from_bits(1));
    m.same("f64", 0.1f64);
    m.same("f64 max", f64::MAX);
    m.same("f64 whole", 3.0f64);
    m.same("f64 2^53", 9_007_199_254_740_992.0_f64);
    m.same("f64 2^80", 2f64.powi(80));
    m.same("f64 least", f64::from_bits(1));
    m.same("f64 infinite", f64::INFINITY);
    m.same("f64 -infinite", f64::NEG_INFINITY);
    m.one("-0.0", &-0.0f64, &SignedZero(true));
    m.same("char", 'x');
    m.same("char beyond", '\u{10ffff}');
    m.same("char nul", '\0');
    m.same("String", "text".to_owned());
    m.same("String empty", String::new());
    m.same("String of digits", "42".to_owned());
    m.same("String of quotes", "\"\\\u{7f}\u{2028}\0\n".to_owned());
    m.same("String emoji", "\u{1f600}".to_owned());
    m.one("&str", &"borrowed", &"borrowed".to_owned());
    m.same("Box<str>", Box::<str>::from("boxed"));
    m.same("Cow<str>", Cow::<str>::Borrowed("cow"));
    m.one(
        "Cow of bytes",
        &serde_bytes::Bytes::new(b"\x00\xff"),
        &ByteBuf::from(*b"\x00\xff"),
    );
    m.same("Box", Box::new(7));
    m.one("Rc by reference", &&*Rc::new(7), &7);
    m.same("ByteBuf", ByteBuf::from(*b"\x00\xff"));
    m.same("ByteBuf empty", ByteBuf::new());
    m.same("ByteBuf of text", ByteBuf::from(*b"text"));
    m.one(
        "Bytes of bytes",
        &ByteBuf::from(*b"\xff"),
        &BytesOf(Bytes::from_static(b"\xff")),
    );
    m.fields("()", ());
    m.fields("unit struct", Marker);
    m.same("newtype of f64", Meters(1.5));
    m.same("newtype of String", Name("n".into()));
    m.same("newtype of newtype", Deep(Name("n".into())));
    m.same("transparent", Transparent { inner: 7 });
    m.same("newtype of None", Maybe(None));
    m.same("newtype of Some", Maybe(Some(1)));
    m.same("None", None::<i64>);
    m.same("Some", Some(5));
    m.same("Some of text", Some("text".to_owned()));
    m.same("Some of bool", Some(false));
    m.same("None of Option", None::<Option<i64>>);
    m.same("Some(Some)", Some(Some(5)));
    m.same("Some(None)", Some(None::<i64>));
    m.same("Some(())", Some(()));
    m.same("Some(unit struct)", Some(Marker));
    m.same("Some(newtype of None)", Some(Maybe(None)));
    m.same("Some(newtype of Some)", Some(Maybe(Some(1))));
    m.same("Some(Box(None))", Some(Box::new(None::<u8>)));
    m.same("Some of bytes", Some(ByteBuf::from(*b"b")));
    m.same("Duration", Duration::new(5, 6));
    m.same("IpAddr 4", IpAddr::V4(Ipv4Addr::LOCALHOST));
    m.same("IpAddr 6", IpAddr::V6(Ipv6Addr::LOCALHOST));
    m.same("SocketAddr", SocketAddr::from(([127, 0, 0, 1], 4040)));
    m.same("PathBuf", PathBuf::from("/a/b"));
    m.same("NodeId", NodeId::new("node").unwrap());
    m.same("PortId", "node#port".parse::<PortId>().unwrap());
    m.same("PortId of a node", "node".parse::<PortId>().unwrap());
    m.same("Integer", Integer::from(7));
    m.same("Integer min", Integer::MIN);
    m.same("Integer max", Integer::MAX);
}

/// Whether a zero is negative.
#[derive(PartialEq)]
struct SignedZero(bool);

impl<'de> Deserialize<'de> for SignedZero {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        f64::deserialize(d).map(|x| Self(x == 0.0 && x.is_sign_negative()))
    }
}

#[derive(PartialEq)]
struct BytesOf(Bytes);

impl<'de> Deserialize<'de> for BytesOf {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        ByteBuf::deserialize(d).map(|bytes| Self(Bytes::from(bytes.into_vec())))
    }
}
