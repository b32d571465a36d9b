//! What holds for every value, every split and every input.

use aemp::Values;
use aemp::codec::{Codec, DecodeError, Outgoing};
use aemp::message::{Spread, to_values};
use aemp::value::{from_value, to_value};
use aemp::{Integer, Map, Value};
use aemp_codec_cbor::{Cbor, to_ciborium};
use aemp_codec_json::{Json, to_json};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::*;

/// Encodes and decodes `values` in every way there is, and expects them back.
pub(crate) fn there_and_back(codec: &dyn Codec, values: &[Value], seeds: &[prop::sample::Index]) {
    let wire = encode(codec, Outgoing::Values(values)).unwrap();
    assert_eq!(
        encode(codec, Outgoing::Typed(&Values::from(values))).unwrap(),
        wire
    );
    let each_byte: Vec<usize> = (1..wire.len()).collect();
    for ends in [vec![], cuts(wire.len(), seeds), each_byte] {
        let received = decode_split(codec, &Default::default(), &peer(), &wire, ends).unwrap();
        assert_eq!(received.len(), 1);
        let message = &received[0].message;
        assert_eq!(received[0].port.as_str(), "port");
        assert_eq!(&*message.to_values().unwrap(), values);
        let Spread(typed) = message.clone().parse::<Spread<Value>>().unwrap();
        assert_eq!(typed, values);
        assert_eq!(
            message.tag().as_deref(),
            values.first().and_then(Value::as_str)
        );
        if !values.is_empty() {
            assert_eq!(
                *message.clone().parse_args::<Values>().unwrap(),
                values[1..]
            );
        }
        let wire_body = aemp::traits::IntoMessage::outgoing(message);
        assert_eq!(encode(codec, wire_body).unwrap(), wire);
    }
}

/// The value without what ciborium has no form for.
fn without_simple(value: Value) -> Value {
    match value {
        Value::Simple(_) => Value::from("simple"),
        Value::Array(items) => Value::Array(items.into_iter().map(without_simple).collect()),
        Value::Map(map) => {
            let pairs = map
                .into_iter()
                .map(|(k, v)| (without_simple(k), without_simple(v)));
            Value::Map(pairs.collect::<Map>())
        }
        Value::Tag(tag, value) => Value::Tag(tag, Box::new(without_simple(*value))),
        other => other,
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub(crate) enum Request {
    Stop,
    Add(i64, u64),
    Name(String),
    Float(f64),
    Set { key: String, value: Option<Vec<i8>> },
    Nested(Box<Self>, Vec<Self>),
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    let leaf = prop_oneof![
        Just(Request::Stop),
        any::<(i64, u64)>().prop_map(|(a, b)| Request::Add(a, b)),
        any::<String>().prop_map(Request::Name),
        proptest::num::f64::NORMAL.prop_map(Request::Float),
        any::<(String, Option<Vec<i8>>)>().prop_map(|(key, value)| Request::Set { key, value }),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..3))
            .prop_map(|(one, more)| Request::Nested(Box::new(one), more))
    })
}

/// Whether ciborium makes something else of it, or of what it holds.
fn is_folded(value: &Value) -> bool {
    match value {
        Value::Tag(2 | 3, _) | Value::Simple(_) => true,
        Value::Tag(_, value) => is_folded(value),
        Value::Array(items) => items.iter().any(is_folded),
        Value::Map(map) => map
            .iter()
            .any(|(key, value)| is_folded(key) || is_folded(value)),
        _ => false,
    }
}

proptest! {
    // The same cases every time: a failure is one of the change. AEMP_CASES asks for more and other ones.
    #![proptest_config(cases(300))]

    #[test]
    fn every_value_comes_back_from_cbor(
        values in prop::collection::vec(any_value(), 0..5),
        seeds in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        there_and_back(&Cbor, &values, &seeds);
    }

    #[test]
    fn every_plain_value_comes_back_from_json(
        values in prop::collection::vec(plain_value(), 0..5),
        seeds in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        there_and_back(&Json, &values, &seeds);
    }

    #[test]
    fn json_carries_a_value_exactly_or_not_at_all(values in prop::collection::vec(any_value(), 0..4)) {
        match encode(&Json, Outgoing::Values(&values)) {
            Ok(wire) => {
                let received = decode(&Json, &peer(), &wire).unwrap();
                prop_assert_eq!(&*received[0].message.to_values().unwrap(), &values[..]);
            }
            Err(error) => prop_assert!(error.to_string().contains("speaks json, which has none"), "{}", error),
        }
        let fit = Json.capabilities(&peer()).to_lossy(&values);
        prop_assert!(encode(&Json, Outgoing::Values(&fit)).is_ok());
    }

    #[test]
    fn a_perl_node_is_sent_a_value_exactly_or_not_at_all(value in tagged_value()) {
        let values = [value];
        let to_perl = |values: &[Value]| encode_to(&Cbor, &perl(), values);
        match to_perl(&values) {
            Ok(wire) => {
                let back = decode(&Cbor, &peer(), &wire).unwrap().remove(0).message;
                prop_assert_eq!(&back.into_values().unwrap()[..], &values[..]);
            }
            Err(error) => prop_assert!(error.to_string().contains("which the peer cannot read"), "{}", error),
        }
        let fit = Cbor.capabilities(&perl()).to_lossy(&values);
        prop_assert!(to_perl(&fit).is_ok());
        // Most tags have a meaning there, and no place in a key or around another changes that.
        let nested = Value::Map(vec![(Value::Null, Value::Tag(55799, Box::new(values[0].clone())))].into());
        prop_assert_eq!(to_perl(&[nested]).is_ok(), to_perl(&values).is_ok());
    }

    #[test]
    fn ciborium_reads_what_we_write_and_writes_what_we_write(value in any_value()) {
        let value = without_simple(value);
        let ours = encode(&Cbor, Outgoing::Values(std::slice::from_ref(&value))).unwrap();
        let read: ciborium::Value = ciborium::from_reader(&ours[..]).unwrap();
        let message = ciborium::Value::Array(vec!["port".into(), to_ciborium(&value).unwrap()]);
        prop_assert_eq!(&read, &message);
        let mut written = Vec::new();
        ciborium::into_writer(&message, &mut written).unwrap();
        prop_assert_eq!(&written[..], &ours[..]);
    }

    #[test]
    fn ciborium_and_we_accept_the_same_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        bytes.splice(0..0, *b"\x83\x61p");
        let mut rest = &bytes[..];
        // It refuses most simple values, which we take, and so proves nothing where it fails.
        if let Ok(theirs) = ciborium::from_reader::<ciborium::Value, _>(&mut rest) {
            let used = bytes.len() - rest.len();
            let ours = decode(&Cbor, &peer(), &bytes[..used]);
            // It takes simple values in a form that RFC 8949 (section 3.3) calls not well-formed.
            let simple = |error: &DecodeError| error.to_string().contains("the simple value");
            prop_assume!(!ours.as_ref().is_err_and(simple));
            let ours = ours.unwrap();
            let values: Vec<Value> = ours[0].message.clone().into_values().unwrap().into_vec();
            // It folds short bignums into integers, where we keep the tag, and `undefined` into null.
            prop_assume!(!values.iter().any(is_folded));
            let mut written = Vec::new();
            ciborium::into_writer(&theirs, &mut written).unwrap();
            let again = decode(&Cbor, &peer(), &written).unwrap();
            let text = |values: &[Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
            prop_assert_eq!(text(&again[0].message.to_values().unwrap()), text(&values));
        }
    }

    #[test]
    fn serde_json_reads_what_we_write(values in prop::collection::vec(plain_value(), 0..4)) {
        let ours = encode(&Json, Outgoing::Values(&values)).unwrap();
        let read: Vec<serde_json::Value> = serde_json::from_slice(&ours).unwrap();
        // Where a key stands twice it keeps the last.
        let expected: Result<Vec<_>, _> = values.iter().map(to_json).collect();
        prop_assume!(expected.is_ok());
        prop_assert_eq!(&read[1..], &expected.unwrap()[..]);
    }

    #[test]
    fn serde_json_and_we_accept_the_same_texts(text in "[\\[\\]{},:\"\\\\ue0-9+.\\-a-ftrlsn ]{0,24}") {
        let wire = format!("[\"port\",{text}]");
        let theirs: Result<Vec<serde_json::Value>, _> = serde_json::from_str(&wire);
        let ours = decode(&Json, &peer(), wire.as_bytes());
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => {
                prop_assert_eq!(ours.len(), 1);
                let values = ours[0].message.to_values().unwrap();
                let values: Result<Vec<_>, _> = values.iter().map(to_json).collect();
                prop_assume!(values.is_ok());
                prop_assert_eq!(&theirs[1..], &values.unwrap()[..]);
            }
            // It takes integers beyond 64 bits for floats.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{}", error),
            // More than one message, or less, is no JSON text.
            (Err(_), Ok(ours)) => prop_assert!(ours.len() != 1 || !wire.ends_with(']') || wire.contains("]"), "{}", wire),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn typed_messages_come_back_by_every_way(request in request()) {
        let values = to_values(&request).unwrap();
        prop_assert_eq!(&aemp::Message::from(values.clone()).parse::<Request>().unwrap(), &request);
        prop_assert_eq!(&from_value::<Request>(to_value(&request).unwrap()).unwrap(), &request);
        for codec in CODECS {
            let wire = encode(codec, Outgoing::Typed(&request)).unwrap();
            prop_assert_eq!(&encode(codec, Outgoing::Values(&values)).unwrap(), &wire);
            for from in [peer(), perl()] {
                let received = decode(codec, &from, &wire).unwrap().remove(0).message;
                prop_assert_eq!(&received.clone().parse::<Request>().unwrap(), &request);
                prop_assert_eq!(&*received.to_values().unwrap(), &values[..]);
            }
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), flip in any::<prop::sample::Index>(), value in any_value()) {
        for codec in CODECS {
            let _ = decode(codec, &perl(), &bytes);
        }
        // One wrong byte in something right goes deeper than noise.
        let mut wire = encode(&Cbor, Outgoing::Values(&[value])).unwrap();
        let at = flip.index(wire.len());
        wire[at] ^= bytes.first().copied().unwrap_or(1);
        for from in [peer(), perl()] {
            if let Ok(received) = decode(&Cbor, &from, &wire) {
                for one in received {
                    let _ = one.message.to_values().unwrap();
                    let _ = one.message.clone().parse::<(Value,)>();
                    let _ = one.message.parse::<Request>();
                }
            }
        }
    }
}

#[test]
fn integers_at_the_edges_come_back() {
    let edges = [
        0,
        23,
        24,
        255,
        256,
        65535,
        65536,
        u64::from(u32::MAX),
        1 << 32,
        u64::MAX,
    ];
    let mut values: Vec<Value> = edges.into_iter().map(Value::from).collect();
    values.extend(edges.map(|n| Value::from(Integer::negative(n))));
    there_and_back(&Cbor, &values, &[]);
    // As types, too.
    let wire = encode(
        &Cbor,
        Outgoing::Typed(&(i64::MIN, u64::MAX, -(1i128 << 64))),
    )
    .unwrap();
    let message = decode(&Cbor, &peer(), &wire).unwrap().remove(0).message;
    let (a, b, c): (i64, u64, i128) = message.parse().unwrap();
    assert_eq!((a, b, c), (i64::MIN, u64::MAX, -(1i128 << 64)));
}

#[test]
fn tags_of_ciborium_work_in_user_types() {
    use ciborium::tag::{Captured, Required};
    let sent = (
        Required::<_, 32>("https://example.org"),
        Captured(Some(1), 5),
    );
    let wire = encode(&Cbor, Outgoing::Typed(&sent)).unwrap();
    let message = decode(&Cbor, &peer(), &wire).unwrap().remove(0).message;
    assert_eq!(
        message.to_values().unwrap()[0].to_string(),
        r#"32("https://example.org")"#
    );
    for message in [message.clone(), message.into_values().unwrap().into()] {
        let (uri, captured): (Required<String, 32>, Captured<i64>) = message.parse().unwrap();
        assert_eq!(uri.0, "https://example.org");
        assert_eq!(captured, Captured(Some(1), 5));
    }
}

#[test]
fn the_reply_follows_the_elements() {
    let reply = "node#reply".parse().unwrap();
    for codec in CODECS {
        let bodies = [
            Outgoing::Typed(&("add", 1)),
            Outgoing::Values(&["add".into(), 1.into()]),
        ];
        for body in bodies {
            let frame = aemp::codec::Frame::with_body("", body).with_reply(Some(&reply));
            let mut out = bytes::BytesMut::new();
            aemp::codec::encode(codec, &frame, &peer(), &mut out).unwrap();
            let received = decode(codec, &peer(), &out).unwrap().remove(0);
            assert!(received.port.is_node_port());
            let parsed: (String, i64, aemp::PortId) = received.message.parse().unwrap();
            assert_eq!(parsed, ("add".to_owned(), 1, reply.clone()));
        }
    }
}

#[test]
fn a_decoder_fed_another_codec_fails_at_the_first_byte() {
    let message = [Value::from("x")];
    let cbor = encode(&Cbor, Outgoing::Values(&message)).unwrap();
    let json = encode(&Json, Outgoing::Values(&message)).unwrap();
    let error = decode(&Json, &peer(), &cbor).unwrap_err();
    assert!(
        matches!(error, DecodeError::WrongFraming { byte: 0x82, .. }),
        "{error}"
    );
    let error = decode(&Cbor, &peer(), &json).unwrap_err();
    assert!(
        matches!(error, DecodeError::WrongFraming { byte: b'[', .. }),
        "{error}"
    );
}
