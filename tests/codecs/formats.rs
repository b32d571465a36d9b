//! Codecs that go by way of values: the example's MessagePack, whose messages are found by their heads, and diagnostic
//! notation with its length in front. Every value comes back or is refused, at every split, within the limits.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use aemp::codec::{
    BoxError, Capabilities, Codec, DecodeError, EncodeError, Found, Head, Limits, Out, Outgoing,
    Tags, ValueCodec, ValueFormat,
};
use aemp::message::to_values;
use aemp::{Map, Value};
use bytes::BytesMut;
use proptest::prelude::*;

use crate::codec_msgpack::MsgPack;
use crate::limits::{expect_refused_without_room, limits, outcome};
use crate::properties::{request, there_and_back};
use crate::support::*;

/// Diagnostic notation behind its length, which carries every value.
pub(crate) struct Notation;

impl ValueFormat for Notation {
    fn name(&self) -> &str {
        "notation"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError> {
        let len = bytes.first_chunk().map(|len| u32::from_be_bytes(*len));
        Ok(len.map(|len| Head::Message(4 + len as usize)))
    }
    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError> {
        let text = message.to_string();
        out.write_all(&u32::try_from(text.len())?.to_be_bytes())?;
        Ok(out.write_all(text.as_bytes())?)
    }
    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError> {
        Ok(aemp::notation::parse(std::str::from_utf8(&bytes[4..])?)?)
    }
}

// Made once: each is tried out when it is made.
static MSGPACK: LazyLock<ValueCodec> = LazyLock::new(|| ValueCodec::new(MsgPack).unwrap());
static NOTATION: LazyLock<ValueCodec> = LazyLock::new(|| ValueCodec::new(Notation).unwrap());

fn msgpack() -> &'static ValueCodec {
    &MSGPACK
}

fn notation() -> &'static ValueCodec {
    &NOTATION
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_format_carries_a_value_exactly_or_not_at_all(
        values in prop::collection::vec(any_value(), 0..5),
        seeds in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let codec = msgpack();
        match encode(codec, Outgoing::Values(&values)) {
            Ok(_) => there_and_back(codec, &values, &seeds),
            Err(error) => prop_assert!(error.to_string().contains("speaks msgpack, which has none"), "{}", error),
        }
        let fit = codec.capabilities(&peer()).to_lossy(&values);
        there_and_back(codec, &fit, &seeds);
    }

    #[test]
    fn every_value_comes_back_from_a_format_with_its_length_in_front(
        values in prop::collection::vec(any_value(), 0..5),
        seeds in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        there_and_back(notation(), &values, &seeds);
    }

    #[test]
    fn messages_and_keepalives_come_one_by_one_at_every_split(
        messages in prop::collection::vec(prop::option::of(plain_value()), 0..6),
        seeds in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        for codec in [msgpack(), notation()] {
            let mut wire = Vec::new();
            for message in &messages {
                match message {
                    Some(value) => wire.extend(encode(codec, Outgoing::Values(std::slice::from_ref(value))).unwrap()),
                    None => wire.extend(codec.keepalive()),
                }
            }
            let each_byte: Vec<usize> = (1..wire.len()).collect();
            for ends in [vec![], cuts(wire.len(), &seeds), each_byte] {
                let received = decode_split(codec, &Limits::default(), &peer(), &wire, ends).unwrap();
                let values: Vec<Value> = received.into_iter().map(|one| one.message.parse::<(Value,)>().unwrap().0).collect();
                prop_assert_eq!(values, messages.iter().flatten().cloned().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn typed_messages_come_back_from_a_format(request in request()) {
        let values = to_values(&request).unwrap();
        for codec in [msgpack(), notation()] {
            let wire = encode(codec, Outgoing::Typed(&request)).unwrap();
            prop_assert_eq!(&encode(codec, Outgoing::Values(&values)).unwrap(), &wire);
            let received = decode(codec, &peer(), &wire).unwrap().remove(0).message;
            prop_assert_eq!(received.parse::<crate::properties::Request>().unwrap(), request.clone());
        }
    }

    #[test]
    fn no_bytes_make_a_format_panic(
        bytes in prop::collection::vec(any::<u8>(), 1..200),
        flip in any::<prop::sample::Index>(),
        value in plain_value(),
    ) {
        for codec in [msgpack(), notation()] {
            let each_byte = 1..bytes.len();
            let whole = decode(codec, &peer(), &bytes).map(|received| received.len());
            let split = decode_split(codec, &Limits::default(), &peer(), &bytes, each_byte);
            prop_assert_eq!(whole, split.map(|received| received.len()));
            let mut wire = encode(codec, Outgoing::Values(std::slice::from_ref(&value))).unwrap();
            let at = flip.index(wire.len());
            wire[at] ^= bytes[0];
            let _ = decode(codec, &peer(), &wire);
        }
    }
}

#[test]
fn what_a_format_lacks_is_refused_with_its_path() {
    let codec = msgpack();
    let date = Value::Tag(0, Box::new("2026-11-25".into()));
    let order = Value::Map(Map::from_iter([(
        "sent",
        Value::from(vec![1.into(), date]),
    )]));
    let error = encode(codec, Outgoing::Values(&["store".into(), order])).unwrap_err();
    let says =
        "element 1 at .sent[1] holds the tag 0, and this connection speaks msgpack, which has none";
    assert_eq!(error.to_string(), says);
    let error = encode(codec, Outgoing::Typed(&("n", i128::from(i64::MIN) - 1))).unwrap_err();
    assert!(
        matches!(error, EncodeError::Unfit { ref path, .. } if path == "1"),
        "{error}"
    );
}

#[test]
fn the_limits_of_a_format_are_exact() {
    let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| vec![inner].into());
    for codec in [msgpack(), notation()] {
        let wire = |value: Value| encode(codec, Outgoing::Values(&[value])).unwrap();
        let text = wire("x".repeat(300).into());
        let exact = limits(|l| l.message_size = text.len());
        assert_eq!(outcome(codec, &exact, &text), Ok(1));
        let limit = text.len() - 1;
        let less = limits(|l| l.message_size = limit);
        assert_eq!(
            outcome(codec, &less, &text),
            Err(DecodeError::too_large(&limits(|l| l.message_size = limit)))
        );

        let deep = wire(nested(511));
        assert_eq!(outcome(codec, &Limits::default(), &deep), Ok(1));
        let flat = limits(|l| l.depth = 100);
        assert_eq!(outcome(codec, &flat, &wire(nested(99))), Ok(1));
        let error = Err(DecodeError::too_deep(&limits(|l| l.depth = 100)));
        assert_eq!(outcome(codec, &flat, &wire(nested(100))), error);

        // The port's name, an array, a map and its key and value, and three numbers.
        let map = Value::Map([("k", 1)].into_iter().collect());
        let values = [vec![1.into(), 2.into(), 3.into()].into(), map];
        let items = encode(codec, Outgoing::Values(&values)).unwrap();
        assert_eq!(outcome(codec, &limits(|l| l.items = 8), &items), Ok(1));
        let error = Err(DecodeError::too_many_items(&limits(|l| l.items = 7)));
        assert_eq!(outcome(codec, &limits(|l| l.items = 7), &items), error);
    }
}

#[test]
fn what_nests_deeper_than_peers_accept_is_not_written() {
    let deep = (0..512).fold(Value::Null, |inner, _| vec![inner].into());
    for codec in [msgpack(), notation()] {
        let error = encode(codec, Outgoing::Values(std::slice::from_ref(&deep))).unwrap_err();
        assert!(
            matches!(error, EncodeError::TooDeep { limit: 512, .. }),
            "{error}"
        );
    }
}

#[test]
fn a_length_that_lies_fails_before_anything_is_kept() {
    let small = limits(|l| (l.message_size, l.items) = (1 << 20, 1000));
    let too_large = || DecodeError::too_large(&limits(|l| l.message_size = 1 << 20));
    let too_many = || DecodeError::too_many_items(&limits(|l| l.items = 1000));
    let (msgpack, notation) = (msgpack(), notation());
    let cases: [(&ValueCodec, &[u8], DecodeError); 6] = [
        (msgpack, b"\x92\xa1p\xc6\xff\xff\xff\xff", too_large()),
        (msgpack, b"\x92\xa1p\xdb\x7f\xff\xff\xff", too_large()),
        (msgpack, b"\x92\xa1p\xdd\xff\xff\xff\xff", too_many()),
        (msgpack, b"\x92\xa1p\xdf\xff\xff\xff\xff", too_many()),
        (msgpack, b"\xdd\x00\x10\x00\x00", too_many()),
        (notation, b"\xff\xff\xff\xff", too_large()),
    ];
    for (codec, wire, error) in cases {
        expect_refused_without_room(codec, &small, wire, error);
    }
}

#[test]
fn nesting_without_end_is_refused_before_it_is_read() {
    let mut wire = b"\x92\xa1p".to_vec();
    wire.extend([0x91; 100_000]);
    let error = Err(DecodeError::too_deep(&limits(|l| l.depth = 512)));
    assert_eq!(outcome(msgpack(), &Limits::default(), &wire), error);
    // Where the length is in front, the format itself refuses it.
    let text = "[".repeat(100_000);
    let mut wire = (text.len() as u32).to_be_bytes().to_vec();
    wire.extend(text.as_bytes());
    let error = decode(notation(), &peer(), &wire).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
}

#[test]
fn what_is_no_message_is_refused_at_once() {
    let cases: [(&[u8], &str); 5] = [
        // Before the rest of it has come.
        (b"\xdb\x00\x10\x00\x00", "a message is an array"),
        (b"[\"port\",1]", "a message is an array"),
        (b"\x81\xa1p\x01", "a message is an array"),
        (b"\xc7\x01\x02\x03", "an extension (0xc7)"),
        (b"\x92\x01\x02", "the name of the port is no text"),
    ];
    for (wire, says) in cases {
        let error = decode(msgpack(), &peer(), wire).unwrap_err().to_string();
        assert!(
            error.contains("of a msgpack message") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn keepalives_of_a_format_are_found_one_at_a_time() {
    for codec in [msgpack(), notation()] {
        let one = codec.keepalive().len();
        let stream = codec.keepalive().repeat(3);
        let mut decoder = codec.decoder(&Limits::default(), &peer());
        for _ in 0..3 {
            let found = decoder.find(&stream).unwrap();
            assert!(
                matches!(found, Found::Keepalive { used } if used == one),
                "{found:?}"
            );
        }
    }
}

/// MessagePack that counts how many bytes it was asked to look at for heads.
struct Counting(Arc<AtomicUsize>);

impl ValueFormat for Counting {
    fn name(&self) -> &str {
        "counting"
    }
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = MsgPack.capabilities();
        capabilities.tags = Tags::None;
        capabilities
    }
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError> {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        MsgPack.head(bytes)
    }
    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError> {
        MsgPack.write(message, out)
    }
    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError> {
        MsgPack.read(bytes)
    }
}

#[test]
fn the_work_for_heads_is_linear_however_the_bytes_arrive() {
    let looked_at = Arc::new(AtomicUsize::new(0));
    let codec = ValueCodec::new(Counting(looked_at.clone())).unwrap();
    for size in [1000, 10_000] {
        let values = [
            Value::from("x".repeat(size)),
            Value::from((0..size as i64).map(Value::from).collect::<Vec<_>>()),
        ];
        let wire = encode(&codec, Outgoing::Values(&values)).unwrap();
        for ends in [(1..wire.len()).collect(), vec![]] {
            looked_at.store(0, Ordering::Relaxed);
            let received = decode_split(&codec, &Limits::default(), &peer(), &wire, ends).unwrap();
            assert_eq!(received.len(), 1);
            // A head for each byte at most, and none is shown more than so many.
            let most = 2 * Head::MAX_LEN * wire.len();
            let seen = looked_at.load(Ordering::Relaxed);
            assert!(seen <= most, "{seen} bytes looked at for {}", wire.len());
        }
    }
}

#[test]
fn room_for_a_long_message_is_made_once_and_given_back() {
    for codec in [msgpack(), notation()] {
        let wire = encode(codec, Outgoing::Values(&["x".repeat(1 << 20).into()])).unwrap();
        let mut decoder = codec.decoder(&Limits::default(), &peer());
        let mut src = BytesMut::with_capacity(4096);
        src.extend_from_slice(&wire[..1000]);
        assert!(
            aemp::codec::decode(&mut *decoder, &mut src)
                .unwrap()
                .is_none()
        );
        let room = src.capacity();
        assert!(room >= wire.len());
        src.extend_from_slice(&wire[1000..]);
        assert_eq!(src.capacity(), room);
        src.extend_from_slice(codec.keepalive());
        assert!(
            aemp::codec::decode(&mut *decoder, &mut src)
                .unwrap()
                .is_some()
        );
        assert_eq!(src, codec.keepalive());
        assert!(src.capacity() < 4096);
    }
}
