//! Every kind of Perl scalar, from recordings (`tests/perl-values`): what a port of each type gets of it, over JSON and
//! over CBOR, and what goes back to Perl where the port sends back what it got.
//!
//! `perl_values.txt` has a line for each scalar. What has parts, is long or does not arrive is here.

use std::collections::{BTreeMap, BTreeSet};

use aemp::message::Spread;
use aemp::{Integer, Value};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use crate::perl_recorded::{Sent, cases};
use crate::support::*;

/// A scalar as a port gets it, in the columns of `perl_values.txt`.
fn row(sent: &Sent, at: usize) -> String {
    fn cell<T: DeserializeOwned>(sent: &Sent, at: usize, show: impl Fn(T) -> Value) -> String {
        let wire = sent.wire(&sent.elements[at..=at]);
        let message = decode(sent.codec, &perl(), &wire)
            .unwrap()
            .remove(0)
            .message;
        let Ok((got,)) = message.parse::<(T,)>() else {
            return "-".to_owned();
        };
        let ascii = |c: char| match c.is_ascii() {
            true => c.to_string(),
            false => c.escape_unicode().to_string(),
        };
        show(got).to_string().chars().map(ascii).collect()
    }
    let cells = [
        cell::<Value>(sent, at, |value| value),
        cell::<bool>(sent, at, Value::from),
        cell::<i128>(sent, at, |n| Integer::try_from(n).unwrap().into()),
        cell::<f64>(sent, at, Value::from),
        cell::<String>(sent, at, Value::from),
        cell::<ByteBuf>(sent, at, |bytes| Bytes::from(bytes.into_vec()).into()),
    ];
    cells.join(" | ")
}

/// The cases of `perl_values.txt` by name, and for each codec the lines of its scalars.
fn table() -> BTreeMap<&'static str, [Vec<&'static str>; 2]> {
    let mut table = BTreeMap::<_, [Vec<_>; 2]>::new();
    let lines = include_str!("perl_values.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(" | ").unwrap();
        let (codec, cells) = rest.split_once(" | ").unwrap();
        let [json, cbor] = table.entry(name).or_default();
        match codec {
            "json" => json.push(cells),
            "cbor" => cbor.push(cells),
            _ => {
                json.push(cells);
                cbor.push(cells);
            }
        }
    }
    table
}

#[test]
fn every_scalar_is_to_each_type_what_the_table_says() {
    let (cases, table) = (cases(), table());
    for (name, rows) in &table {
        let (_, case) = cases.iter().find(|(case, _)| case == name).unwrap();
        for (sent, rows) in case.iter().zip(rows) {
            let Some(sent) = sent.as_ref().filter(|sent| sent.arrives()) else {
                assert!(rows.is_empty(), "{name}");
                continue;
            };
            let got: Vec<_> = (0..sent.elements.len()).map(|at| row(sent, at)).collect();
            assert_eq!(&got, rows, "{name} over {}", sent.codec.name());
        }
    }
    // The others are below.
    let others = [
        "undefs",
        "bools_nested",
        "empty",
        "nested",
        "numeric_keys",
        "latin_keys",
        "wide_keys",
        "empty_key",
        "high_bytes",
        "long",
        "long_wide",
        "many",
        "big_hash",
        "deep100",
        "deep500",
        "surrogate",
        "above",
        "version",
        "glob",
    ];
    let known: BTreeSet<_> = table.into_keys().chain(others).collect();
    let all: BTreeSet<_> = cases.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((known, cases.len()), (all, 53));
}

/// The case `name`, which both codecs carry.
fn both(name: &str) -> [Sent; 2] {
    let mut cases = cases().into_iter();
    let (_, case) = cases.find(|(case, _)| case == name).unwrap();
    case.map(|sent| sent.unwrap())
}

fn map<K: FromIterator<char> + Ord, V>(
    pairs: impl IntoIterator<Item = (&'static str, V)>,
) -> BTreeMap<K, V> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(key, value)| (key.chars().collect(), value))
        .collect()
}

type Hash<T> = BTreeMap<String, T>;

#[derive(Deserialize, PartialEq, Debug)]
struct Parts {
    a: Vec<i64>,
    b: Hash<i64>,
}

#[test]
fn what_has_parts_is_the_same_over_both_codecs() {
    for sent in both("undef") {
        assert_eq!(sent.parse::<(Option<String>,)>(), (None,));
        assert_eq!(sent.parse::<((),)>(), ((),));
    }
    for sent in both("undefs") {
        type Undefs = (Option<i64>, Vec<Option<String>>, Hash<Option<f64>>);
        let expected = (None, vec![None], map([("a", None)]));
        assert_eq!(sent.parse::<Undefs>(), expected);
    }
    for sent in both("bools_nested") {
        let expected = ((true, map([("f", false)])),);
        assert_eq!(sent.parse::<((bool, Hash<bool>),)>(), expected);
    }
    for sent in both("empty") {
        type Lists = (Vec<i64>, (Vec<i64>, Hash<i64>));
        type Empty = (String, Vec<i64>, Hash<i64>, Vec<Vec<i64>>, Lists, Parts);
        let (a, b) = (vec![], map([]));
        let lists = (vec![], (vec![], map([])));
        let expected = (
            String::new(),
            vec![],
            map([]),
            vec![vec![]],
            lists,
            Parts { a, b },
        );
        assert_eq!(sent.parse::<Empty>(), expected);
    }
    for sent in both("nested") {
        type Inner = Hash<Vec<Hash<String>>>;
        // Numbers are text for who wants that, however deep they are.
        type Nested = ((i64, (u8, (f64, (String, Inner)))),);
        let inner = map([("a", vec![map([("b", "1".to_owned())])])]);
        assert_eq!(
            sent.parse::<Nested>(),
            ((1, (2, (3.0, ("4".into(), inner)))),)
        );
    }
    for sent in both("numeric_keys") {
        let expected = map([("-1", 3), ("007", 6), ("1", 2), ("1.5", 4), ("7", 5)]);
        assert_eq!(sent.parse::<(Hash<i64>,)>(), (expected,));
        // Keys are texts to Perl, and so they are as values.
        let (value,): (Value,) = sent.parse();
        assert_eq!(value["007"], Value::from(6));
    }
    for sent in both("empty_key") {
        assert_eq!(sent.parse::<(Hash<i64>,)>(), (map([("", 1)]),));
    }
    for sent in both("deep100").into_iter().chain(both("deep500")) {
        let (mut value,): (Value,) = sent.parse();
        let mut depth = 0;
        while value.as_array().is_some() {
            value = value[0].clone();
            depth += 1;
        }
        assert!(value == Value::from(1) && [100, 500].contains(&depth));
    }
}

#[test]
fn keys_and_texts_beyond_ascii_are_text_over_both_codecs_for_who_wants_text() {
    let keys = |sent: &Sent| -> Vec<String> {
        let (value,): (Value,) = sent.parse();
        let pairs = value.as_map().unwrap().iter();
        let mut keys: Vec<_> = pairs.map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    };
    let [json, cbor] = both("latin_keys");
    for sent in [&json, &cbor] {
        assert_eq!(
            sent.parse::<(Hash<i64>,)>(),
            (map([("caf\u{e9}", 1), ("\u{ff}", 2)]),)
        );
        let (bytes,): (BTreeMap<ByteBuf, i64>,) = sent.parse();
        assert_eq!(bytes[&ByteBuf::from(b"caf\xe9".to_vec())], 1);
    }
    assert_eq!(keys(&json), ["\"caf\u{e9}\"", "\"\u{ff}\""]);
    assert_eq!(keys(&cbor), ["h'636166e9'", "h'ff'"]);
    let [json, cbor] = both("wide_keys");
    for sent in [&json, &cbor] {
        assert_eq!(
            sent.parse::<(Hash<i64>,)>(),
            (map([("caf\u{e9}", 2), ("\u{263a}", 1)]),)
        );
    }
    assert_eq!(keys(&json), ["\"caf\u{e9}\"", "\"\u{263a}\""]);
    assert_eq!(keys(&cbor), ["\"\u{263a}\"", "h'636166e9'"]);
    let [json, cbor] = both("high_bytes");
    let high: Vec<u8> = (0x80..=0xff).collect();
    let text: String = high.iter().copied().map(char::from).collect();
    for sent in [&json, &cbor] {
        assert_eq!(sent.parse::<(String,)>(), (text.clone(),));
        assert_eq!(sent.parse::<(ByteBuf,)>(), (ByteBuf::from(high.clone()),));
    }
    assert_eq!(json.parse::<(Value,)>(), (Value::from(text),));
    assert_eq!(cbor.parse::<(Value,)>(), (Value::from(Bytes::from(high)),));
}

#[test]
fn what_is_long_arrives_whole() {
    for sent in both("long") {
        assert_eq!(sent.parse::<(String,)>(), ("x".repeat(300_000),));
        assert_eq!(sent.parse::<(ByteBuf,)>().0.len(), 300_000);
    }
    for sent in both("long_wide") {
        assert_eq!(sent.parse::<(String,)>(), ("\u{263a}".repeat(100_000),));
    }
    for sent in both("many") {
        assert!(sent.parse::<Spread<i64>>().0.into_iter().eq(1..=5000));
        let texts = sent.parse::<Spread<String>>().0.into_iter();
        assert!(texts.eq((1..=5000).map(|n| n.to_string())));
    }
    for sent in both("big_hash") {
        let (numbers,): (Hash<i64>,) = sent.parse();
        let (texts,): (Hash<String>,) = sent.parse();
        assert_eq!((numbers.len(), texts.len()), (2000, 2000));
        for n in 1..=2000 {
            let key = format!("k{n}");
            assert_eq!((numbers[&key], &texts[&key]), (n, &n.to_string()));
        }
    }
}

#[test]
fn a_reference_to_a_scalar_is_a_tag_over_cbor() {
    use ciborium::tag::Required;
    let [json, cbor] = both("scalar_refs");
    assert_eq!(json.parse::<(bool, bool)>(), (true, false));
    assert_eq!(cbor.parse::<(bool, bool)>(), (true, false));
    let (one, zero): (Required<i64, 22098>, Required<i64, 22098>) = cbor.parse();
    assert_eq!((one.0, zero.0), (1, 0));
}

#[test]
fn what_perl_writes_and_no_codec_has_ends_the_link_with_a_reason() {
    let mut refused = Vec::new();
    let mut never_sent = Vec::new();
    for (name, case) in cases() {
        for (codec, sent) in CODECS.into_iter().zip(case) {
            let case = format!("{name} {}", codec.name());
            let Some(sent) = sent else {
                never_sent.push(case);
                continue;
            };
            let wire = sent.wire(&sent.elements);
            if let Err(error) = decode(codec, &perl(), &wire) {
                refused.push((case, error.to_string()));
            }
        }
    }
    let expected = [
        ("inf json", "expected a value, found 'i'"),
        ("neg_inf json", "- is no number"),
        ("nan json", "expected null, found 'a'"),
        ("surrogate json", "a text is not UTF-8"),
        ("surrogate cbor", "a text is not UTF-8"),
        ("above cbor", "a text is not UTF-8"),
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    for ((case, error), (expected, why)) in refused.iter().zip(expected) {
        assert!(case == expected && error.ends_with(why), "{case}: {error}");
    }
    let none = [
        "above json",
        "version json",
        "version cbor",
        "glob json",
        "glob cbor",
        "code json",
    ];
    assert_eq!(never_sent, none);
}

#[test]
fn what_a_port_sends_back_as_it_came_is_what_was_recorded() {
    let mut unanswered = Vec::new();
    for (name, case) in cases() {
        for sent in case.into_iter().flatten().filter(Sent::arrives) {
            let back = sent.back();
            match &sent.answer {
                Some(answer) if sent.elements.concat().len() > 3000 => {
                    assert!(back.starts_with(answer), "{name}");
                }
                Some(answer) => assert_eq!(&back, answer, "{name}"),
                None => unanswered.push((name.clone(), back)),
            }
        }
    }
    // The one message that was refused then. Perl reads the same doubles.
    let floats =
        "1.5,-0.25,0.1,0.333333333333333,1e+300,5e-324,1.7976931348623157e+308,123456789.123457";
    assert_eq!(unanswered, [("float".to_owned(), floats.into())]);
    // Bytes of Perl that are UTF-8 are taken for that, and go back as another text; others are not.
    let [json, cbor] = both("utf8_bytes");
    assert_eq!(json.back(), "\"caf\u{c3}\u{a9}\"".as_bytes());
    assert_eq!(
        (&cbor.elements[0][..], &cbor.back()[..]),
        (&b"\x45caf\xc3\xa9"[..], &b"\x65caf\xc3\xa9"[..])
    );
    let [_, cbor] = both("mixed_bytes");
    assert_eq!(cbor.back(), b"\x43\xc3\xa9\xff");
}
