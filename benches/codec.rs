//! The codecs against decoders and encoders written by hand for one shape of message: a tag, three numbers and a
//! text, 92 bytes on the wire; against ciborium for nested values; against a plain copy for 1 MiB of bytes; and against a
//! codec by way of values, MessagePack.

#[path = "../examples/codec_msgpack.rs"]
#[allow(dead_code, reason = "of the example, this is about the format alone")]
mod codec_msgpack;
mod common;

use aemp::codec::{Codec, Decoder, Envelope, Found, Frame, Limits, Outgoing, PeerInfo, ValueCodec};
use aemp::{PortName, Text, Value};
use aemp_codec_cbor::Cbor;
use aemp_codec_json::Json;
use bytes::{Buf, Bytes, BytesMut};
use codec_msgpack::MsgPack;
use common::{Case, cbor, compare};

/// The message: tag, three numbers, text.
type Shape = (String, u64, i64, f64, String);

/// How many messages a buffer holds when it arrives.
const BATCH: usize = 100;

fn shape() -> Shape {
    let text = "the quick brown fox jumps over the lazy dog, and so".to_owned();
    ("measure".to_owned(), 1_234_567, -42, 0.1, text)
}

fn main() {
    let peer = PeerInfo::new("peer".parse().expect("an ID"), "");
    for (name, codec, by_hand) in [
        ("json", &Json as &dyn Codec, json_by_hand as ByHand),
        ("cbor", &Cbor, cbor_by_hand),
    ] {
        small(name, codec, by_hand, &peer);
    }
    nested(&peer);
    by_values(&peer);
    large(&peer);
}

/// Decodes one message of the shape.
type ByHand = fn(&mut BytesMut) -> Option<(PortName, Shape)>;

fn small(name: &str, codec: &dyn Codec, by_hand: ByHand, peer: &PeerInfo) {
    let port = "dBjvXzl0aSf1";
    let typed = shape();
    let frame = Frame::with_body(port, Outgoing::Typed(&typed));
    let mut one = BytesMut::new();
    aemp::codec::encode(codec, &frame, peer, &mut one).expect("it fits");
    println!("\n{name}: a message of {} bytes", one.len());
    let mut batch = Vec::new();
    for _ in 0..BATCH {
        batch.extend_from_slice(&one);
    }

    let fill = |src: &mut BytesMut| {
        src.clear();
        src.extend_from_slice(&batch);
    };
    let (mut a, mut b, mut c, mut d) = (
        BytesMut::new(),
        BytesMut::new(),
        BytesMut::new(),
        BytesMut::new(),
    );
    let mut decoder = codec.decoder(&Limits::default(), peer);
    let mut decoder_2 = codec.decoder(&Limits::default(), peer);
    let mut decoder_3 = codec.decoder(&Limits::default(), peer);
    compare(
        &format!("{name}: decode {BATCH} small messages"),
        vec![
            Case::new("by hand, into the type", || {
                fill(&mut a);
                let mut n = 0;
                while let Some((port, shape)) = by_hand(&mut a) {
                    n += port.as_str().len() + shape.4.len();
                }
                assert_eq!(n, BATCH * (12 + typed.4.len()));
            }),
            // Where it lies: what a link does, whose message is copied to the port's shard and parsed there.
            Case::new("ours, into the type", || {
                fill(&mut b);
                let mut n = 0;
                while let Found::Message { used, message } = decoder.find(&b).expect("well-formed")
                {
                    let port = message.port().clone();
                    let shape: Shape = message.parse().expect("it fits");
                    b.advance(used);
                    n += port.as_str().len() + shape.4.len();
                }
                assert_eq!(n, BATCH * (12 + typed.4.len()));
            }),
            Case::new("ours, taken out, tag first, rest into a type", || {
                fill(&mut d);
                let mut n = 0;
                while let Some(received) = next(&mut decoder_3, &mut d) {
                    assert!(received.message.tag().as_deref() == Some("measure"));
                    let (_, _, _, text): (u64, i64, f64, Text) =
                        received.message.parse_args().expect("it fits");
                    n += received.port.as_str().len() + text.len();
                }
                assert_eq!(n, BATCH * (12 + typed.4.len()));
            }),
            Case::new("ours, taken out, into values", || {
                fill(&mut c);
                let mut n = 0;
                while let Some(received) = next(&mut decoder_2, &mut c) {
                    let values = received.message.into_values().expect("they are");
                    n += received.port.as_str().len() + values[4].as_str().map_or(0, str::len);
                }
                assert_eq!(n, BATCH * (12 + typed.4.len()));
            }),
        ],
    );

    let values = aemp::message::to_values(&typed).expect("it fits");
    let mut outs = [const { Vec::new() }; 1];
    let (mut x, mut y) = (BytesMut::new(), BytesMut::new());
    compare(
        &format!("{name}: encode a small message"),
        vec![
            Case::new("by hand, from the type", || {
                outs[0].clear();
                match name {
                    "json" => json_out(&mut outs[0], port, &typed),
                    _ => cbor_out(&mut outs[0], port, &typed),
                }
                outs[0].len()
            }),
            Case::new("ours, from the type", || {
                x.clear();
                aemp::codec::encode(codec, &frame, peer, &mut x).expect("it fits");
                x.len()
            }),
            Case::new("ours, from values", || {
                y.clear();
                let body = Outgoing::Values(&values);
                let frame = Frame::with_body(port, body);
                aemp::codec::encode(codec, &frame, peer, &mut y).expect("it fits");
                y.len()
            }),
        ],
    );
}

fn next(decoder: &mut Box<dyn Decoder>, src: &mut BytesMut) -> Option<Envelope> {
    aemp::codec::decode(&mut **decoder, src).expect("well-formed")
}

/// What it costs to go by way of values: the same message over a codec of tokens and over one of values, and what the
/// library of the latter takes alone.
fn by_values(peer: &PeerInfo) {
    let msgpack = ValueCodec::new(MsgPack).expect("it keeps its word");
    let typed = shape();
    let frame = Frame::with_body("dBjvXzl0aSf1", Outgoing::Typed(&typed));
    let codecs: [&dyn Codec; 2] = [&Cbor, &msgpack];
    let [cbor, packed] = codecs.map(|codec| {
        let mut one = BytesMut::new();
        aemp::codec::encode(codec, &frame, peer, &mut one).expect("it fits");
        one
    });
    println!("\nby values: a message of {} bytes", packed.len());
    let batches = [cbor.repeat(BATCH), packed.repeat(BATCH)];
    let [mut of_tokens, mut of_values] = codecs.map(|c| c.decoder(&Limits::default(), peer));
    let text = typed.4.len();
    let typed_sum = |decoder: &mut Box<dyn Decoder>, batch: &[u8]| {
        let mut src = BytesMut::from(batch);
        let mut n = 0;
        while let Some(received) = next(decoder, &mut src) {
            let shape: Shape = received.message.parse().expect("it fits");
            n += shape.4.len();
        }
        assert_eq!(n, BATCH * text);
    };
    compare(
        &format!("by values: decode {BATCH} small messages"),
        vec![
            Case::new("cbor by tokens, taken out, into the type", || {
                typed_sum(&mut of_tokens, &batches[0]);
            }),
            Case::new("msgpack by values, into the type", || {
                typed_sum(&mut of_values, &batches[1]);
            }),
            Case::new("rmp_serde alone, into a value", || {
                let messages = batches[1].chunks(packed.len());
                messages.fold(0, |n, message| {
                    let value: Value = rmp_serde::from_slice(message).expect("a value");
                    n + value[5].as_str().map_or(0, str::len)
                })
            }),
        ],
    );

    let mut value = vec![Value::from(frame.port)];
    value.extend(aemp::message::to_values(&typed).expect("it fits"));
    let value = Value::from(value);
    let (mut x, mut y, mut z) = (BytesMut::new(), BytesMut::new(), Vec::new());
    compare(
        "by values: encode a small message",
        vec![
            Case::new("cbor by tokens, from the type", || {
                x.clear();
                aemp::codec::encode(&Cbor, &frame, peer, &mut x).expect("it fits");
            }),
            Case::new("msgpack by values, from the type", || {
                y.clear();
                aemp::codec::encode(&msgpack, &frame, peer, &mut y).expect("it fits");
            }),
            Case::new("rmp_serde alone, from a value", || {
                z.clear();
                rmp_serde::encode::write(&mut z, &value).expect("it fits");
            }),
        ],
    );
}

/// Containers in containers, half of whose numbers are floats that take two bytes: heads of every size, against ciborium.
fn nested(peer: &PeerInfo) {
    let row = |n: i64| vec![(n * 1000).into(), Value::from(n as f64 / 2.0), true.into()];
    let rows = (0..10).map(|n| (format!("key{n}"), Value::from(row(n))));
    let values = [
        Value::from("rows"),
        Value::Map(rows.collect()),
        Bytes::from_static(b"some bytes").into(),
        vec![Value::Null; 30].into(),
    ];
    let frame = Frame::new("dBjvXzl0aSf1", &values);
    let mut one = BytesMut::new();
    aemp::codec::encode(&Cbor, &frame, peer, &mut one).expect("it fits");
    println!("\nnested: a message of {} bytes", one.len());
    let batch = one.repeat(BATCH);
    let mut decoder = Cbor.decoder(&Limits::default(), peer);
    compare(
        &format!("nested: decode {BATCH} messages into values"),
        vec![
            Case::new("ciborium alone", || {
                let mut src = &batch[..];
                while !src.is_empty() {
                    let value: ciborium::Value = ciborium::from_reader(&mut src).expect("a value");
                    std::hint::black_box(value);
                }
            }),
            Case::new("cbor, taken out", || {
                let mut src = BytesMut::from(&batch[..]);
                while let Some(received) = next(&mut decoder, &mut src) {
                    std::hint::black_box(received.message.into_values().expect("they are"));
                }
            }),
        ],
    );

    let message = [Value::from(frame.port)].into_iter().chain(values.clone());
    let message =
        aemp_codec_cbor::to_ciborium(&message.collect::<Vec<_>>().into()).expect("it fits");
    let (mut x, mut y) = (Vec::new(), BytesMut::new());
    compare(
        "nested: encode a message from values",
        vec![
            Case::new("ciborium alone", || {
                x.clear();
                ciborium::into_writer(&message, &mut x).expect("it fits");
                x.len()
            }),
            Case::new("cbor", || {
                y.clear();
                aemp::codec::encode(&Cbor, &frame, peer, &mut y).expect("it fits");
                y.len()
            }),
        ],
    );
}

fn large(peer: &PeerInfo) {
    let payload = Bytes::from(vec![7u8; 1 << 20]);
    let values = [Value::from("blob"), Value::from(payload.clone())];
    let frame = Frame::with_body("p", Outgoing::Values(&values));
    let mut whole = BytesMut::new();
    aemp::codec::encode(&Cbor, &frame, peer, &mut whole).expect("it fits");
    let wire = whole.freeze();
    let mut decoder = Cbor.decoder(&Limits::default(), peer);
    let (mut copy, mut out) = (BytesMut::new(), BytesMut::new());
    compare(
        "cbor: 1 MiB of bytes",
        vec![
            Case::new("a plain copy", || {
                copy.clear();
                copy.extend_from_slice(&payload);
            }),
            Case::new("encode, from values", || {
                out.clear();
                aemp::codec::encode(&Cbor, &frame, peer, &mut out).expect("it fits");
            }),
            Case::new("copy into a new buffer, decode, take out", || {
                let mut src = BytesMut::from(&wire[..]);
                let received = next(&mut decoder, &mut src).expect("it is whole");
                received.message.into_values().expect("they are")
            }),
        ],
    );
}

fn cbor_by_hand(src: &mut BytesMut) -> Option<(PortName, Shape)> {
    let mut at = 0;
    let (initial, len) = cbor::head(src, &mut at)?;
    assert!(initial >> 5 == 4 && len == 6);
    let port = PortName::from(cbor::text(src, &mut at)?);
    let tag = cbor::text(src, &mut at)?.to_owned();
    let (initial, first) = cbor::head(src, &mut at)?;
    assert_eq!(initial >> 5, 0);
    let (initial, second) = cbor::head(src, &mut at)?;
    assert_eq!(initial >> 5, 1);
    let (initial, bits) = cbor::head(src, &mut at)?;
    assert_eq!(initial, 0xfb);
    let text = cbor::text(src, &mut at)?.to_owned();
    src.advance(at);
    Some((
        port,
        (tag, first, !(second as i64), f64::from_bits(bits), text),
    ))
}

fn json_text<'a>(src: &'a [u8], at: &mut usize) -> Option<&'a str> {
    assert_eq!(*src.get(*at)?, b'"');
    *at += 1;
    let len = src.get(*at..)?.iter().position(|&b| b == b'"')?;
    let text = std::str::from_utf8(&src[*at..*at + len]).expect("UTF-8");
    assert!(!text.contains('\\'));
    *at += len + 2;
    Some(text)
}

fn json_number<T: std::str::FromStr>(src: &[u8], at: &mut usize) -> Option<T> {
    let len = src.get(*at..)?.iter().position(|&b| b == b',')?;
    let text = std::str::from_utf8(&src[*at..*at + len]).expect("UTF-8");
    *at += len + 1;
    Some(text.parse().ok().expect("a number"))
}

fn json_by_hand(src: &mut BytesMut) -> Option<(PortName, Shape)> {
    let mut at = 1;
    let port = PortName::from(json_text(src, &mut at)?);
    let tag = json_text(src, &mut at)?.to_owned();
    let first = json_number(src, &mut at)?;
    let second = json_number(src, &mut at)?;
    let third = json_number(src, &mut at)?;
    let text = json_text(src, &mut at)?.to_owned();
    src.advance(at);
    Some((port, (tag, first, second, third, text)))
}

fn cbor_out(out: &mut Vec<u8>, port: &str, shape: &Shape) {
    cbor::put_head(out, 4, 6);
    cbor::put_text(out, port);
    cbor::put_text(out, &shape.0);
    cbor::put_head(out, 0, shape.1);
    cbor::put_head(out, 1, !shape.2 as u64);
    out.push(0xfb);
    out.extend(shape.3.to_be_bytes());
    cbor::put_text(out, &shape.4);
}

fn json_out(out: &mut Vec<u8>, port: &str, shape: &Shape) {
    use std::io::Write;
    let (tag, first, second, third, text) = shape;
    write!(
        out,
        r#"["{port}","{tag}",{first},{second},{third},"{text}"]"#
    )
    .expect("to memory");
}
