//! The recordings of `tests/perl-values` as cases: the bytes of what Perl sent, and of what went back.

use std::collections::BTreeSet;
use std::path::Path;

use aemp::codec::Codec;
use aemp::{Message, Value};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::support::*;

/// What Perl has sent in one case over one codec, between the message's tag and the port for the answer.
pub(crate) struct Sent {
    pub(crate) codec: &'static dyn Codec,
    /// Each value as its bytes.
    pub(crate) elements: Vec<Vec<u8>>,
    /// The bytes of the values that the answer was recorded with, or their beginning.
    pub(crate) answer: Option<Vec<u8>>,
}

/// What was sent over JSON and over CBOR; none where Perl itself refuses.
pub(crate) type Case = [Option<Sent>; 2];

const JSON: usize = 0;
const CBOR: usize = 1;

/// What the recordings lack, since the message was refused, as Perl writes it.
const NOT_RECORDED: [(&str, usize, &[&[u8]]); 7] = [
    (
        "float",
        JSON,
        &[
            b"1.5",
            b"-0.25",
            b"0.1",
            b"0.333333333333333",
            b"1e+300",
            b"4.94065645841247e-324",
            b"1.79769313486232e+308",
            b"123456789.123457",
        ],
    ),
    ("inf", JSON, &[b"inf"]),
    ("neg_inf", JSON, &[b"-inf"]),
    ("nan", JSON, &[b"nan"]),
    ("surrogate", JSON, &[b"\"\xed\xa0\x80\""]),
    ("surrogate", CBOR, &[b"\x63\xed\xa0\x80"]),
    ("above", CBOR, &[b"\x64\xf4\x90\x80\x80"]),
];

impl Sent {
    /// A message of the elements in this range, as Perl sends it.
    pub(crate) fn wire(&self, elements: &[Vec<u8>]) -> Vec<u8> {
        let elements_of = |port: &[u8]| {
            let all = [&[port.to_vec()], elements].concat();
            joined(self.codec, &all)
        };
        match self.codec.name() {
            "json" => [b"[", &elements_of(b"\"p\"")[..], b"]"].concat(),
            _ => {
                let len = (1 + elements.len() as u16).to_be_bytes();
                [b"\x99", &len[..], &elements_of(b"\x41p")].concat()
            }
        }
    }

    fn message(&self) -> Message {
        let wire = self.wire(&self.elements);
        decode(self.codec, &perl(), &wire)
            .unwrap()
            .remove(0)
            .message
    }

    /// Whether it is no end of the connection.
    pub(crate) fn arrives(&self) -> bool {
        decode(self.codec, &perl(), &self.wire(&self.elements)).is_ok()
    }

    pub(crate) fn parse<T: DeserializeOwned>(&self) -> T {
        self.message().parse().unwrap()
    }

    /// What goes back if a port sends back what it got, without looking at it.
    pub(crate) fn back(&self) -> Vec<u8> {
        let values = self.message().into_values().unwrap();
        let wire = encode_to(self.codec, &perl(), &values).unwrap();
        joined(self.codec, &split(self.codec, &wire)[1..])
    }
}

/// The bytes of elements, as they stand in a message.
fn joined(codec: &dyn Codec, elements: &[Vec<u8>]) -> Vec<u8> {
    match codec.name() {
        "json" => elements.join(&b","[..]),
        _ => elements.concat(),
    }
}

/// The elements of a message, each as its bytes.
fn split(codec: &dyn Codec, wire: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    if codec.name() == "json" {
        let mut rest = &wire[1..];
        while rest.len() > 1 {
            let mut one = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
            one.next().unwrap().unwrap();
            let len = one.byte_offset();
            elements.push(rest[..len].to_vec());
            rest = &rest[len + 1..];
        }
        return elements;
    }
    let mut rest = &wire[array_head(wire)..];
    while !rest.is_empty() {
        let before = rest;
        let read = ciborium::de::from_reader_with_recursion_limit::<ciborium::Value, _>;
        read(&mut rest, 600).unwrap();
        elements.push(before[..before.len() - rest.len()].to_vec());
    }
    elements
}

/// A line of a recording. (The messages as the recording reads them nest too deep for most readers.)
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    dir: String,
    #[serde(default)]
    hex: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    got: String,
}

fn lines(codec: &dyn Codec, kind: &str) -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/perl-values");
    let file = folder.join(format!("{}.{kind}.jsonl", codec.name()));
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// All cases in order, by name.
pub(crate) fn cases() -> Vec<(String, Case)> {
    let mut cases: Vec<(String, Case)> = Vec::new();
    for (which, codec) in CODECS.into_iter().enumerate() {
        let messages = lines(codec, "frames").into_iter();
        let messages = messages.map(|line| (line.dir, unhex(&line.hex), line.hex.ends_with("..")));
        let of_cases = |(_, bytes, _): &(String, Vec<u8>, bool)| {
            !bytes.is_empty() && behind_the_tag(codec, bytes).is_some()
        };
        let mut messages = messages.filter(of_cases).peekable();
        for (at, line) in lines(codec, "cases").into_iter().enumerate() {
            // The recording's remark that Perl took a number for a text, or the other way round.
            let name = line.name.trim_end_matches(" (type differs)");
            let mut sent = not_recorded(name, which, codec);
            if sent.is_none() && !line.got.starts_with("Perl itself refuses") {
                let (dir, bytes, cut) = messages.next().unwrap();
                assert_eq!(dir, "pv>r1", "{name}");
                sent = Some(recorded(name, codec, &bytes, cut));
            }
            if let Some((_, bytes, cut)) = messages.next_if(|(dir, ..)| dir == "r1>pv") {
                let values = behind_the_tag(codec, &bytes).unwrap();
                // The last pair of a hash may be cut, and then its order is unknown.
                let behind = match (cut, codec.name()) {
                    (true, _) => PAIR,
                    (false, name) => usize::from(name == "json"),
                };
                let values = values[..values.len() - behind].to_vec();
                sent.as_mut().unwrap().answer = Some(values);
            }
            if which == JSON {
                cases.push((name.to_owned(), [sent, None]));
            } else {
                assert_eq!(cases[at].0, name);
                cases[at].1[which] = sent;
            }
        }
        assert_eq!(messages.next(), None, "{}", codec.name());
    }
    cases
}

fn not_recorded(name: &str, which: usize, codec: &'static dyn Codec) -> Option<Sent> {
    let known = NOT_RECORDED.iter();
    let mut found = known.filter(|(known, over, _)| (*known, *over) == (name, which));
    let (_, _, elements) = found.next()?;
    Some(Sent {
        codec,
        elements: elements.iter().map(|element| element.to_vec()).collect(),
        answer: None,
    })
}

/// More bytes than a pair of the recorded hash has.
const PAIR: usize = 20;

fn recorded(name: &str, codec: &'static dyn Codec, bytes: &[u8], cut: bool) -> Sent {
    let elements = if cut {
        let begun = behind_the_tag(codec, bytes).unwrap();
        let whole = encode_to(codec, &perl(), &long(name, begun)).unwrap();
        let elements = split(codec, &whole)[1..].to_vec();
        let begun = &begun[..begun.len() - PAIR];
        assert!(joined(codec, &elements).starts_with(begun), "{name}");
        elements
    } else {
        let elements = split(codec, bytes);
        elements[2..elements.len() - 1].to_vec()
    };
    Sent {
        codec,
        elements,
        answer: None,
    }
}

/// What the recording has the beginning of. Texts that were never marked as such are bytes.
fn long(name: &str, begun: &[u8]) -> Vec<Value> {
    match name {
        "long" => vec![Bytes::from("x".repeat(300_000)).into()],
        "long_wide" => vec!["\u{263a}".repeat(100_000).into()],
        "many" => (1..=5000).map(Value::from).collect(),
        "big_hash" => {
            // A Perl hash has no order: as it began, then as it may have gone on. The last key may be cut.
            let text = String::from_utf8_lossy(begun);
            let digits = |key: &str| key.chars().take_while(char::is_ascii_digit).collect();
            let mut order: Vec<String> = text.split('k').skip(1).map(digits).collect();
            order.pop();
            let known = order.iter().cloned().collect::<BTreeSet<_>>();
            let rest = (1..=2000).map(|n| n.to_string());
            order.extend(rest.filter(|n| !known.contains(n)));
            let pair = |n: String| -> (Value, Value) {
                let key = Bytes::from(format!("k{n}"));
                (key.into(), Bytes::from(n).into())
            };
            let pairs: Vec<_> = order.into_iter().map(pair).collect();
            vec![Value::Map(pairs.into())]
        }
        other => panic!("{other} is cut"),
    }
}

/// The bytes of the values of a message that has the tag `v`, or their beginning.
fn behind_the_tag<'m>(codec: &dyn Codec, bytes: &'m [u8]) -> Option<&'m [u8]> {
    if codec.name() == "json" {
        let name = bytes[2..].iter().position(|byte| *byte == b'"')?;
        return bytes[2 + name..].strip_prefix(br#"","v","#);
    }
    let string = array_head(bytes);
    let tag = &bytes[string + 1 + usize::from(bytes[string] & 0x1f)..];
    tag.strip_prefix(b"\x41v")
        .or_else(|| tag.strip_prefix(b"\x61v"))
}

/// How long the head of an array is.
fn array_head(bytes: &[u8]) -> usize {
    match bytes[0] {
        0x80..=0x97 => 1,
        0x98 => 2,
        _ => 3,
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let hex = hex.trim_end_matches("..");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
