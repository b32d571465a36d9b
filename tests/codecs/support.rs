//! What the tests of codecs share: encoding and decoding in one call, and random values.

use aemp::codec::{Codec, DecodeError, EncodeError, Envelope, Frame, Limits, Outgoing, PeerInfo};
use aemp::{Integer, Map, Value};
use aemp_codec_cbor::Cbor;
use aemp_codec_json::Json;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

pub(crate) const CODECS: [&dyn Codec; 2] = [&Json, &Cbor];

pub(crate) fn peer() -> PeerInfo {
    PeerInfo::new("peer".parse().unwrap(), "aemp-0.1")
}

pub(crate) fn perl() -> PeerInfo {
    PeerInfo::new("peer".parse().unwrap(), "AE-2.02")
}

pub(crate) fn encode(codec: &dyn Codec, body: Outgoing<'_>) -> Result<BytesMut, EncodeError> {
    let mut out = BytesMut::new();
    let frame = Frame::with_body("port", body);
    aemp::codec::encode(codec, &frame, &peer(), &mut out)?;
    Ok(out)
}

/// `values` as `codec` writes them to `to`, for its port `port`.
pub(crate) fn encode_to(
    codec: &dyn Codec,
    to: &PeerInfo,
    values: &[Value],
) -> Result<BytesMut, EncodeError> {
    let mut out = BytesMut::new();
    aemp::codec::encode(codec, &Frame::new("port", values), to, &mut out)?;
    Ok(out)
}

/// Feeds `wire` in pieces that end at the given places, and returns what came out.
pub(crate) fn decode_split(
    codec: &dyn Codec,
    limits: &Limits,
    from: &PeerInfo,
    wire: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Result<Vec<Envelope>, DecodeError> {
    let mut decoder = codec.decoder(limits, from);
    let mut src = BytesMut::new();
    let mut received = Vec::new();
    let mut start = 0;
    for end in ends.into_iter().chain([wire.len()]) {
        src.extend_from_slice(&wire[start..end]);
        start = end;
        while let Some(one) = aemp::codec::decode(&mut *decoder, &mut src)? {
            received.push(one);
        }
    }
    Ok(received)
}

pub(crate) fn decode(
    codec: &dyn Codec,
    from: &PeerInfo,
    wire: &[u8],
) -> Result<Vec<Envelope>, DecodeError> {
    decode_split(codec, &Limits::default(), from, wire, [])
}

/// Values that both codecs can carry.
pub(crate) fn plain_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-300i64..300).prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        proptest::num::f64::SUBNORMAL.prop_map(Value::from),
        any::<f32>()
            .prop_filter("finite", |x| x.is_finite())
            .prop_map(Value::from),
        (-70000i32..70000).prop_map(|n| Value::from(f64::from(n) / 4.0)),
        any::<String>().prop_map(Value::from),
        "[a-z\\\\\"\n\u{e9}\u{1f600}]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
        ]
    })
}

/// All values there are.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        plain_value(),
        (any::<bool>(), any::<u64>()).prop_map(|(negative, n)| match negative {
            true => Value::from(Integer::negative(n)),
            false => Value::from(n),
        }),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|b| Value::from(Bytes::from(b))),
        prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY)].prop_map(Value::from),
        prop_oneof![0u8..20, Just(23), 32u8..=255].prop_map(Value::Simple),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((inner.clone(), inner.clone()), 0..5)
                .prop_map(|pairs| Value::Map(Map::from(pairs))),
            (any::<u64>(), inner).prop_map(|(tag, value)| Value::Tag(tag, Box::new(value))),
        ]
    })
}

/// Values with tags that have a meaning to AnyEvent::MP nodes.
pub(crate) fn tagged_value() -> impl Strategy<Value = Value> {
    let tags = [
        0, 1, 2, 3, 4, 5, 21, 24, 25, 26, 28, 29, 30, 32, 256, 264, 265, 22098, 55799,
    ];
    let tag = prop::sample::select(tags.to_vec());
    let tagged = |tag, content: Value| Value::Tag(tag, Box::new(content));
    any_value().prop_recursive(4, 30, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((inner.clone(), inner.clone()), 0..5)
                .prop_map(|pairs| Value::Map(Map::from(pairs))),
            (tag.clone(), inner.clone()).prop_map(move |(tag, content)| tagged(tag, content)),
            (-1100i64..1100, inner).prop_map(move |(exponent, mantissa)| {
                tagged(4, vec![exponent.into(), mantissa].into())
            }),
        ]
    })
}

/// Where to cut so many bytes.
pub(crate) fn cuts(len: usize, seeds: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = seeds.iter().map(|seed| seed.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// The settings of property tests: `count` cases, the same at every run, or as many random ones as the variable
/// `AEMP_CASES` says.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let more = std::env::var("AEMP_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: more.unwrap_or(count),
        rng_seed: if more.is_some() {
            RngSeed::Random
        } else {
            RngSeed::Fixed(0)
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
