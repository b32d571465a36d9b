//! The table against the decoders: the outcome is the stated one, however the bytes arrive and whatever came before.

use aemp::codec::{Envelope, PeerInfo};
use aemp::message::Spread;
use aemp::{Message, Value};
use bytes::BytesMut;

use crate::corpus::{Case, Outcome, cases, limits};

/// A message that each decoder takes, with the front that most inputs begin with.
const BEFORE: [(&str, &[u8]); 2] = [("json", b"[\"p\",0]"), ("cbor", b"\x82\x61p\x00")];

/// The places at which an input is cut in two: all of them, but in the middle of a long one, which repeats itself.
fn splits(len: usize) -> impl Iterator<Item = usize> {
    const EDGE: usize = 40;
    (1..len).filter(move |&at| at < EDGE || at + EDGE > len || at % 61 == 0)
}

/// What comes out of `bytes`, fed in pieces that end at the given places.
fn outcome(
    case: &Case,
    bytes: &[u8],
    provider: &str,
    ends: impl IntoIterator<Item = usize>,
) -> Vec<Outcome> {
    let peer = PeerInfo::new("peer".parse().unwrap(), provider);
    let mut decoder = case.codec.decoder(&limits(), &peer);
    let mut src = BytesMut::new();
    let mut outcomes = Vec::new();
    let mut start = 0;
    for end in ends.into_iter().chain([bytes.len()]) {
        src.extend_from_slice(&bytes[start..end]);
        start = end;
        loop {
            match aemp::codec::decode(&mut *decoder, &mut src) {
                Ok(Some(received)) => outcomes.push(Outcome::Message(shown(&received))),
                Ok(None) => break,
                Err(error) => {
                    outcomes.push(Outcome::Error(error.to_string()));
                    return outcomes;
                }
            }
        }
    }
    if !src.is_empty() {
        outcomes.push(Outcome::Waits);
    }
    outcomes
}

fn shown(Envelope { port, message, .. }: &Envelope) -> String {
    let text = elements(message);
    // The other way to the same values.
    let Spread(values) = message.clone().parse::<Spread<Value>>().unwrap();
    assert_eq!(notation(values), text);
    match port.as_str() {
        "p" => text,
        // From a Perl node numbers are names too.
        other => format!("{other}: {text}"),
    }
}

/// The elements of a message, as the table has them.
pub(crate) fn elements(message: &Message) -> String {
    notation(message.to_values().unwrap().to_vec())
}

fn notation(values: Vec<Value>) -> String {
    let text = Value::from(values).to_string();
    let escaped = |c: char| match c {
        ' '..='~' => c.to_string(),
        c => c.escape_unicode().to_string(),
    };
    text.chars().map(escaped).collect()
}

#[test]
fn every_input_has_its_outcome_at_every_split() {
    for case in cases() {
        let Case { what, input, .. } = &case;
        let name = case.codec.name();
        let whole = outcome(&case, input, "", []);
        assert_eq!(whole, case.outcome, "{name}: {what}");
        for end in splits(input.len()) {
            assert_eq!(
                outcome(&case, input, "", [end]),
                whole,
                "{name}: {what}, at {end}"
            );
        }
        assert_eq!(
            outcome(&case, input, "", 1..input.len()),
            whole,
            "{name}: {what}, byte by byte"
        );
    }
}

#[test]
fn what_came_before_changes_no_outcome() {
    for case in cases() {
        let (_, before) = BEFORE
            .into_iter()
            .find(|(codec, _)| *codec == case.codec.name())
            .unwrap();
        let bytes = [before, before, &case.input].concat();
        let same = Outcome::Message("[0]".into());
        let expected = [&[same.clone(), same][..], &case.outcome].concat();
        for ends in [vec![], vec![before.len()], (1..bytes.len()).collect()] {
            assert_eq!(
                outcome(&case, &bytes, "", ends),
                expected,
                "{}: {}",
                case.codec.name(),
                case.what
            );
        }
    }
}

/// What Perl nodes are allowed beyond that is in `tests/codecs/perl*.rs`.
#[test]
fn from_a_perl_node_the_outcome_is_the_same_at_every_split_too() {
    for case in cases() {
        let Case { what, input, .. } = &case;
        let perl = |ends: Vec<usize>| outcome(&case, input, "AE-2.02", ends);
        let whole = perl(vec![]);
        for end in splits(input.len()) {
            assert_eq!(
                perl(vec![end]),
                whole,
                "{}: {what}, at {end}",
                case.codec.name()
            );
        }
        assert_eq!(
            perl((1..input.len()).collect()),
            whole,
            "{}: {what}",
            case.codec.name()
        );
    }
}
