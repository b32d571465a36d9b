//! The table `corpus.txt`: what its lines mean.

use aemp::codec::{Codec, Limits};
use aemp_codec_cbor::Cbor;
use aemp_codec_json::Json;

/// One input and its outcome.
pub(crate) struct Case {
    pub(crate) codec: &'static dyn Codec,
    pub(crate) what: &'static str,
    pub(crate) input: Vec<u8>,
    pub(crate) outcome: Vec<Outcome>,
}

/// One part of an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// A message for the port `p` with these elements, in diagnostic notation.
    Message(String),
    /// The stream ends with this error.
    Error(String),
    /// More bytes are needed.
    Waits,
}

/// The limits of the table's outcomes.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.message_size, limits.items) = (4096, 1100);
    limits
}

pub(crate) fn cases() -> Vec<Case> {
    let lines = include_str!("corpus.txt").lines();
    let cases = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    cases.map(case).collect()
}

fn case(line: &'static str) -> Case {
    let fields: Vec<_> = line.split(" | ").collect();
    let [codec, what, input, outcome] = fields[..] else {
        panic!("four fields: {line}");
    };
    let (codec, input): (&dyn Codec, _) = match codec {
        "json" => (&Json, expanded(input)),
        "cbor" => (&Cbor, unhex(&expanded(input))),
        _ => panic!("the codec of {line}"),
    };
    Case {
        codec,
        what,
        input,
        outcome: outcomes(outcome),
    }
}

fn outcomes(text: &str) -> Vec<Outcome> {
    let parts = text.split(" && ").filter(|&part| part != "nothing");
    let outcome = |part: &str| match part.strip_prefix("error: ") {
        Some(error) => Outcome::Error(error.into()),
        None if part == "waits" => Outcome::Waits,
        None => Outcome::Message(String::from_utf8(expanded(part)).unwrap()),
    };
    parts.map(outcome).collect()
}

/// `text` with its repetitions (`<512*[>`) and bytes (`<ff 00>`) in full.
fn expanded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inside, after) = after.split_once('>').expect("a closing bracket");
        bytes.extend(before.bytes());
        match inside.split_once('*') {
            Some((count, what)) => bytes.extend(what.repeat(count.parse().unwrap()).bytes()),
            None => bytes.extend(unhex(inside.as_bytes())),
        }
        rest = after;
    }
    bytes.extend(rest.bytes());
    bytes
}

/// The bytes of hexadecimal digits with or without spaces.
fn unhex(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().filter(|byte| **byte != b' ');
    let digits: Vec<_> = digits
        .map(|&byte| char::from(byte).to_digit(16).unwrap() as u8)
        .collect();
    let (pairs, rest) = digits.as_chunks();
    assert!(rest.is_empty(), "an even number of digits");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}
