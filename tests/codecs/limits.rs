//! Limits at their exact edges, and work that is linear however the bytes arrive.

use aemp::Value;
use aemp::codec::{Codec, DecodeError, Found, Limits, Outgoing, StreamDecoder, Token};
use aemp_codec_cbor::{Cbor, CborHeads};
use aemp_codec_json::{Json, JsonHeads};
use bytes::BytesMut;

use crate::support::*;

pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// What `wire` announces is refused, and no memory is taken for it.
pub(crate) fn expect_refused_without_room(
    codec: &dyn Codec,
    limits: &Limits,
    wire: &[u8],
    error: DecodeError,
) {
    let mut decoder = codec.decoder(limits, &peer());
    let mut src = BytesMut::from(wire);
    assert_eq!(
        aemp::codec::decode(&mut *decoder, &mut src).unwrap_err(),
        error
    );
    assert!(src.capacity() < 4096);
}

pub(crate) fn outcome(
    codec: &dyn Codec,
    limits: &Limits,
    wire: &[u8],
) -> Result<usize, DecodeError> {
    let whole = decode_split(codec, limits, &peer(), wire, []);
    let bytewise = decode_split(codec, limits, &peer(), wire, 1..wire.len());
    let count = |received: Result<Vec<_>, _>| received.map(|received| received.len());
    let (whole, bytewise) = (count(whole), count(bytewise));
    assert_eq!(whole, bytewise);
    whole
}

#[test]
fn a_message_of_exactly_the_limit_passes_and_one_byte_more_fails() {
    for codec in CODECS {
        let wire = encode(codec, Outgoing::Values(&["x".repeat(300).into()])).unwrap();
        let exact = limits(|l| l.message_size = wire.len());
        assert_eq!(outcome(codec, &exact, &wire), Ok(1));
        let less = limits(|l| l.message_size = wire.len() - 1);
        let limit = wire.len() - 1;
        assert_eq!(
            outcome(codec, &less, &wire),
            Err(DecodeError::too_large(&limits(|l| l.message_size = limit)))
        );
    }
}

#[test]
fn nesting_of_exactly_the_limit_passes_and_one_more_fails() {
    for codec in CODECS {
        for (depth, passes) in [(511, true), (512, false)] {
            let (open, close, zero) = match codec.name() {
                "json" => (&b"["[..], &b"]"[..], &b"0"[..]),
                _ => (&b"\x81"[..], &b""[..], &b"\x00"[..]),
            };
            let mut wire = match codec.name() {
                "json" => b"[\"p\",".to_vec(),
                _ => b"\x82\x61p".to_vec(),
            };
            wire.extend(open.repeat(depth));
            wire.extend(zero);
            wire.extend(close.repeat(depth));
            if codec.name() == "json" {
                wire.push(b']');
            }
            let got = outcome(codec, &Limits::default(), &wire);
            let expected = if passes {
                Ok(1)
            } else {
                Err(DecodeError::too_deep(&limits(|l| l.depth = 512)))
            };
            assert_eq!(got, expected, "{} {depth}", codec.name());
        }
    }
    // Tags nest as well.
    let mut wire = b"\x82\x61p".to_vec();
    wire.extend([0xc1; 512]);
    assert_eq!(
        outcome(&Cbor, &Limits::default(), &wire),
        Err(DecodeError::too_deep(&limits(|l| l.depth = 512)))
    );
}

#[test]
fn so_many_values_pass_and_one_more_fails() {
    for codec in CODECS {
        // The port's name, an array, a map and its key and value, and three numbers.
        let map = Value::Map([("k", 1)].into_iter().collect());
        let values = [vec![1.into(), 2.into(), 3.into()].into(), map];
        let wire = encode(codec, Outgoing::Values(&values)).unwrap();
        assert_eq!(outcome(codec, &limits(|l| l.items = 8), &wire), Ok(1));
        let error = outcome(codec, &limits(|l| l.items = 7), &wire);
        assert_eq!(
            error,
            Err(DecodeError::too_many_items(&limits(|l| l.items = 7)))
        );
    }
}

#[test]
fn a_head_that_promises_too_much_fails_before_anything_is_kept() {
    let small = limits(|l| (l.message_size, l.items) = (1 << 20, 1000));
    let cases: [(&[u8], DecodeError); 5] = [
        (
            b"\x82\x61p\x5a\x7f\xff\xff\xff",
            DecodeError::too_large(&limits(|l| l.message_size = 1 << 20)),
        ),
        (
            b"\x82\x61p\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
            DecodeError::too_large(&limits(|l| l.message_size = 1 << 20)),
        ),
        (
            b"\x82\x61p\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            DecodeError::too_many_items(&limits(|l| l.items = 1000)),
        ),
        (
            b"\x82\x61p\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
            DecodeError::too_many_items(&limits(|l| l.items = 1000)),
        ),
        (
            b"\x9a\x00\x10\x00\x00",
            DecodeError::too_many_items(&limits(|l| l.items = 1000)),
        ),
    ];
    for (wire, error) in cases {
        expect_refused_without_room(&Cbor, &small, wire, error);
    }
}

#[test]
fn room_for_a_long_string_is_made_once() {
    let wire = encode(
        &Cbor,
        Outgoing::Values(&[bytes::Bytes::from(vec![1; 1 << 20]).into()]),
    )
    .unwrap();
    let mut decoder = Cbor.decoder(&Limits::default(), &peer());
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
    let start = src.as_ptr();
    let received = aemp::codec::decode(&mut *decoder, &mut src)
        .unwrap()
        .unwrap();
    let values = received.message.to_values().unwrap();
    let Value::Bytes(bytes) = &values[0] else {
        panic!("bytes")
    };
    assert_eq!(
        bytes.as_ptr(),
        start.wrapping_add(wire.len() - (1 << 20)),
        "shared, not copied"
    );
}

/// Decodes a message with a byte string of `len` bytes at the front of a buffer of `room` bytes: whether it keeps the buffer,
/// and what is left of that.
fn kept(len: usize, room: usize) -> (bool, BytesMut) {
    let value = bytes::Bytes::from(vec![1; len]).into();
    let wire = encode(&Cbor, Outgoing::Values(&[value])).unwrap();
    let mut src = BytesMut::with_capacity(room);
    src.extend_from_slice(&wire);
    src.extend_from_slice(&wire[..1000]);
    let memory = src.as_ptr_range();
    let received = aemp::codec::decode(&mut *Cbor.decoder(&Limits::default(), &peer()), &mut src);
    let message = received.unwrap().unwrap().message;
    (
        memory.contains(&message.as_raw().unwrap().bytes().as_ptr()),
        src,
    )
}

#[test]
fn a_message_that_is_kept_holds_about_twice_its_size_at_most() {
    const READ: usize = 256 << 10;
    for (len, shares) in [(16 << 10, false), (127 << 10, false), (128 << 10, true)] {
        assert_eq!(kept(len, READ).0, shares, "{len} bytes");
    }
    // Nor does what follows a long one hold the memory that was taken for it.
    let (shares, rest) = kept(8 << 20, 16 << 20);
    assert!(shares && rest.len() == 1000 && rest.capacity() < READ);
}

#[test]
fn a_byte_string_shares_the_message_only_if_it_is_the_greater_part() {
    let values = [100_000, 140_000].map(|len| Value::from(bytes::Bytes::from(vec![1; len])));
    let wire = encode(&Cbor, Outgoing::Values(&values)).unwrap();
    let mut src = BytesMut::from(&wire[..]);
    let memory = src.as_ptr_range();
    let received = aemp::codec::decode(&mut *Cbor.decoder(&Limits::default(), &peer()), &mut src);
    let values = received.unwrap().unwrap().message.into_values().unwrap();
    let shares = values.iter().map(|value| match value {
        Value::Bytes(bytes) => memory.contains(&bytes.as_ptr()),
        _ => panic!("bytes"),
    });
    assert!(shares.eq([false, true]));
}

#[test]
fn the_work_is_linear_however_the_bytes_arrive() {
    // Heads asked for while `wire` arrives byte by byte, beyond one for each byte: those that came whole.
    fn steps<H: aemp::codec::Tokenizer>(
        mut decoder: StreamDecoder<H, Unread>,
        wire: &[u8],
    ) -> (u64, usize) {
        let mut src = BytesMut::new();
        let mut messages = 0;
        for byte in wire {
            src.extend_from_slice(&[*byte]);
            while aemp::codec::decode(&mut decoder, &mut src)
                .unwrap()
                .is_some()
            {
                messages += 1;
            }
        }
        (decoder.scanner().steps(), messages)
    }
    static FORMAT: Unread = Unread;
    struct Unread;
    impl aemp::codec::TokenReader for Unread {
        fn token(&self, _: &[u8], at: &mut usize) -> Option<Token> {
            *at += 1;
            Some(match *at {
                1 => Token::Array(1),
                _ => Token::Text(0),
            })
        }
        fn join(&self, _: &[u8]) -> Option<Vec<u8>> {
            None
        }
    }
    for size in [1000, 10_000] {
        let values = [
            Value::from("x".repeat(size)),
            Value::from((0..size as i64).map(Value::from).collect::<Vec<_>>()),
        ];
        let limits = Limits::default();
        let json = encode(&Json, Outgoing::Values(&values)).unwrap();
        let decoder = StreamDecoder::new("json", JsonHeads::default(), &FORMAT, &limits, &peer());
        let (made, messages) = steps(decoder, &json);
        assert_eq!(messages, 1);
        assert!(
            made <= 2 * json.len() as u64,
            "{made} steps for {} bytes",
            json.len()
        );
        let cbor = encode(&Cbor, Outgoing::Values(&values)).unwrap();
        let decoder = StreamDecoder::new("cbor", CborHeads::default(), &FORMAT, &limits, &peer());
        let (made, messages) = steps(decoder, &cbor);
        assert_eq!(messages, 1);
        assert!(
            made <= 2 * cbor.len() as u64,
            "{made} steps for {} bytes",
            cbor.len()
        );
    }
}

#[test]
fn a_message_that_begins_like_the_last_one_is_no_other_for_it() {
    let four_items = limits(|l| l.items = 4);
    for codec in CODECS {
        let wire = |values: &[Value]| encode(codec, Outgoing::Values(values)).unwrap();
        let (none, three, four) = (
            wire(&[]),
            wire(&[1.into(), "a".into(), Value::Null]),
            wire(&[1.into(), 2.into(), 3.into(), 4.into()]),
        );
        let nested = wire(&[vec![1.into()].into(), "a".into()]);
        let stream = [
            &none[..],
            &none,
            &three,
            &three,
            codec.keepalive(),
            &three,
            &none,
            &nested,
            &nested,
            &three,
        ]
        .concat();
        let lengths = |received: Vec<aemp::codec::Envelope>| -> Vec<usize> {
            let len = |one: &aemp::codec::Envelope| {
                assert_eq!(one.port.as_str(), "port");
                one.message.to_values().unwrap().len()
            };
            received.iter().map(len).collect()
        };
        for cut in 0..=stream.len() {
            let received = decode_split(codec, &four_items, &peer(), &stream, [cut]).unwrap();
            assert_eq!(lengths(received), [0, 0, 3, 3, 3, 0, 2, 2, 3]);
        }
        // The limits hold for it as well.
        let limit = Err(DecodeError::too_many_items(&limits(|l| l.items = 4)));
        for stream in [four.to_vec(), [&four[..], &four].concat()] {
            let all = decode_split(codec, &four_items, &peer(), &stream, []);
            assert_eq!(all.map(lengths), limit);
        }
        let short = limits(|l| l.message_size = three.len());
        let long = [&three[..], &wire(&[1.into(), "aaaaaa".into(), Value::Null])].concat();
        let error = decode_split(codec, &short, &peer(), &long, []).unwrap_err();
        assert_eq!(
            error,
            DecodeError::too_large(&limits(|l| l.message_size = three.len()))
        );
    }
}

/// Each is found by itself, so that the work for a peer that sends nothing else can be divided.
#[test]
fn keepalives_are_found_one_at_a_time() {
    for codec in CODECS {
        let stream = codec.keepalive().repeat(3);
        let mut decoder = codec.decoder(&Limits::default(), &peer());
        for _ in 0..3 {
            let found = decoder.find(&stream).unwrap();
            let one = codec.keepalive().len();
            assert!(
                matches!(found, Found::Keepalive { used } if used == one),
                "{found:?}"
            );
        }
    }
}
