//! What AnyEvent::MP nodes send (protocol.md section 3): text as byte strings, numbers as text, floats as integers.

use std::collections::HashMap;

use aemp::codec::{Codec, Frame, Outgoing, PeerInfo};
use aemp::{Integer, Map, Message, PortId, Value};
use aemp_codec_cbor::Cbor;
use aemp_codec_json::Json;
use bytes::BytesMut;
use serde::Deserialize;
use serde_bytes::ByteBuf;

use crate::support::*;

fn received(codec: &dyn Codec, wire: &[u8]) -> Message {
    decode(codec, &perl(), wire).unwrap().remove(0).message
}

#[derive(Deserialize, PartialEq, Debug)]
enum Kind {
    Small,
    Sized(i64),
    Named { name: String },
}

#[test]
fn byte_strings_stand_for_text_everywhere() {
    // ["p", "add", {"key": "v\xc3\xa9"}, "n#p", "Small", {"Sized": 7}, {"Named": {"name": "x"}}], all as bytes.
    let wire = b"\x87\x41p\x43add\xa1\x43key\x43v\xc3\xa9\x43n#p\x45Small\xa1\x45Sized\x07\xa1\x45Named\xa1\x44name\x41x";
    let message = received(&Cbor, wire);
    assert_eq!(message.tag().as_deref(), Some("add"));
    type All = (String, HashMap<String, String>, PortId, Kind, Kind, Kind);
    let (tag, map, port, small, sized, named): All = message.clone().parse().unwrap();
    assert_eq!(tag, "add");
    assert_eq!(map["key"], "v\u{e9}");
    assert_eq!(port.to_string(), "n#p");
    assert_eq!((small, sized), (Kind::Small, Kind::Sized(7)));
    assert_eq!(named, Kind::Named { name: "x".into() });
    let values = message.to_values().unwrap();
    assert_eq!(values[0], Value::from("add"));
    assert_eq!(values[1]["key"], Value::from("v\u{e9}"));
    // The tag as the variant of the whole message.
    let message = received(&Cbor, b"\x83\x41p\x45Sized\x42\x2d7");
    assert_eq!(message.parse::<Kind>().unwrap(), Kind::Sized(-7));
}

#[test]
fn the_same_bytes_are_bytes_from_anybody_else() {
    let message = decode(&Cbor, &peer(), b"\x82\x61p\x43add")
        .unwrap()
        .remove(0)
        .message;
    assert_eq!(message.tag(), None);
    assert_eq!(message.to_values().unwrap()[0].to_string(), "h'616464'");
    let error = message.parse::<(String,)>().unwrap_err().to_string();
    assert_eq!(error, "element 0: expected a string, found 3 bytes");
}

#[test]
fn bytes_that_are_not_utf8_stay_bytes_and_go_back_unchanged() {
    // ["port", "caf\xe9", {"\xff": 1}, ["\xc3\xa9\xff"]]
    let wire = b"\x84\x64port\x44caf\xe9\xa1\x41\xff\x01\x81\x43\xc3\xa9\xff";
    let message = received(&Cbor, wire);
    let values = message.to_values().unwrap();
    assert_eq!(values[0].to_string(), "h'636166e9'");
    assert_eq!(encode_to(&Cbor, &perl(), &values).unwrap()[..], wire[..]);
    // Over JSON as well: it is the same text to Perl.
    let json = encode_to(&Json, &perl(), &values).unwrap();
    let expected = "[\"port\",\"caf\u{e9}\",{\"\u{ff}\":1},[\"\u{c3}\u{a9}\u{ff}\"]]";
    assert_eq!(json[..], *expected.as_bytes());
    let (cafe, map, list): (ByteBuf, HashMap<ByteBuf, i64>, Vec<ByteBuf>) =
        message.clone().parse().unwrap();
    assert_eq!(&cafe[..], b"caf\xe9");
    assert_eq!(&list[0][..], b"\xc3\xa9\xff");
    assert_eq!(map[&ByteBuf::from(b"\xff".to_vec())], 1);
}

#[test]
fn a_message_that_is_passed_on_as_it_came_is_to_another_perl_node_what_it_was() {
    // ["port", "caf\xc3\xa9", "add", "\u263a"], the last marked as text.
    let wire = b"\x84\x64port\x45caf\xc3\xa9\x43add\x63\xe2\x98\xba";
    let message = received(&Cbor, wire);
    let body = || Outgoing::Wire(message.as_raw().unwrap());
    let sent = |codec: &dyn Codec, to: &PeerInfo| {
        let (port, reply) = ("port", None);
        let mut out = BytesMut::new();
        let frame = Frame::with_body(port, body()).with_reply(reply);
        aemp::codec::encode(codec, &frame, to, &mut out).unwrap();
        out
    };
    // ASCII is the same to Perl either way.
    let cbor = b"\x84\x64port\x45caf\xc3\xa9\x63add\x63\xe2\x98\xba";
    assert_eq!(sent(&Cbor, &perl())[..], cbor[..]);
    let json = "[\"port\",\"caf\u{c3}\u{a9}\",\"add\",\"\u{263a}\"]";
    assert_eq!(sent(&Json, &perl())[..], *json.as_bytes());
    // Nodes that tell texts from bytes get texts.
    let cbor = b"\x84\x64port\x65caf\xc3\xa9\x63add\x63\xe2\x98\xba";
    assert_eq!(sent(&Cbor, &peer())[..], cbor[..]);
    let json = "[\"port\",\"caf\u{e9}\",\"add\",\"\u{263a}\"]";
    assert_eq!(sent(&Json, &peer())[..], *json.as_bytes());
}

#[derive(Deserialize, PartialEq, Debug)]
enum Drink {
    #[serde(rename = "th\u{e9}")]
    Tea,
    #[serde(rename = "caf\u{e9}")]
    Coffee(i64),
}

#[derive(Deserialize, PartialEq, Debug)]
struct Menu {
    #[serde(rename = "caf\u{e9}")]
    coffee: Option<String>,
}

#[test]
fn bytes_that_are_not_utf8_are_latin_1_wherever_text_is_wanted() {
    // ["p\xe9", "caf\xe9", ["\xff", "\xc3\xa9"], {"\xe9": "\xe8"}, "th\xe9", {"caf\xe9": 7}, {"caf\xe9": "\xe0"},
    //  "\xe9", "n#\xe9"], all as bytes; one of them is UTF-8 as well.
    let wire = b"\x89\x42p\xe9\x44caf\xe9\x82\x41\xff\x42\xc3\xa9\xa1\x41\xe9\x41\xe8\x43th\xe9\
        \xa1\x44caf\xe9\x07\xa1\x44caf\xe9\x41\xe0\x41\xe9\x43n#\xe9";
    let got = decode(&Cbor, &perl(), wire).unwrap().remove(0);
    assert_eq!(got.port.as_str(), "p\u{e9}");
    let message = got.message;
    assert_eq!(message.tag().as_deref(), Some("caf\u{e9}"));
    type All = (
        String,
        Vec<String>,
        HashMap<String, String>,
        Drink,
        Drink,
        Menu,
        char,
        PortId,
    );
    let (tag, list, map, tea, coffee, menu, letter, port): All = message.parse().unwrap();
    assert_eq!((tag.as_str(), letter), ("caf\u{e9}", '\u{e9}'));
    assert_eq!(list, ["\u{ff}", "\u{e9}"]);
    assert_eq!(map["\u{e9}"], "\u{e8}");
    assert_eq!((tea, coffee), (Drink::Tea, Drink::Coffee(7)));
    assert_eq!(menu.coffee.as_deref(), Some("\u{e0}"));
    assert_eq!(port.port().as_str(), "\u{e9}");
    // The tag as the variant of the whole message, and a string in pieces.
    let message = received(&Cbor, b"\x83\x41p\x5f\x43caf\x41\xe9\xff\x07");
    assert_eq!(message.parse::<Drink>().unwrap(), Drink::Coffee(7));
}

#[test]
fn from_anybody_else_bytes_are_no_text() {
    let wire = b"\x82\x61p\x44caf\xe9";
    let message = decode(&Cbor, &peer(), wire).unwrap().remove(0).message;
    assert_eq!(message.tag(), None);
    let error = message.parse::<(String,)>().unwrap_err().to_string();
    assert_eq!(error, "element 0: expected a string, found 4 bytes");
    let error = decode(&Cbor, &peer(), b"\x81\x42p\xe9").unwrap_err();
    assert!(
        error.to_string().contains("the name of the port"),
        "{error}"
    );
}

#[test]
fn numbers_come_in_every_dress() {
    let message = received(&Json, br#"["p","42","-7","1.5",3,3.0,"1e3","",1,"1",0]"#);
    type All = (i64, i8, f64, f64, u8, f64, bool, bool, bool, bool);
    let all: All = message.parse().unwrap();
    assert_eq!(all, (42, -7, 1.5, 3.0, 3, 1000.0, false, true, true, false));
    let message = received(&Cbor, b"\x84\x41p\x4242\x431.5\x03");
    let all: (u16, f64, f64) = message.parse().unwrap();
    assert_eq!(all, (42, 1.5, 3.0));
    let message = received(
        &Json,
        br#"["p","42.0","1e3","-1.50e1","1.79769313486232e+308"]"#,
    );
    let all: (u16, i64, i8, f64) = message.parse().unwrap();
    assert_eq!(all, (42, 1000, -15, f64::MAX));
    let wrong = [
        r#""x""#,
        r#""""#,
        r#""1x""#,
        r#""inf""#,
        r#""0x10""#,
        r#""1.5""#,
        r#"" 1""#,
        r#""+1""#,
        r#""1e99""#,
        r#""18446744073709551616""#,
        "1.5",
        "1e30",
        "null",
        "true",
    ];
    for wrong in wrong {
        let message = received(&Json, format!(r#"["p",{wrong}]"#).as_bytes());
        let error = message.parse::<(i64,)>().unwrap_err().to_string();
        assert!(
            error.starts_with("element 0: expected i64, found"),
            "{error}"
        );
    }
    // From others a text is a text, and a float a float.
    for other in [r#""42""#, r#""42.0""#, "42.0"] {
        let wire = format!(r#"["p",{other}]"#);
        let mut got = decode(&Json, &peer(), wire.as_bytes()).unwrap();
        got.remove(0).message.parse::<(i64,)>().unwrap_err();
    }
    let message = decode(&Json, &peer(), br#"["p","42"]"#).unwrap().remove(0);
    let error = message.message.parse::<(i64,)>().unwrap_err().to_string();
    assert_eq!(error, r#"element 0: expected i64, found text "42""#);
}

#[test]
fn an_integer_is_a_float_where_that_holds_it_exactly() {
    for (text, float) in [
        ("9007199254740992", Some(9007199254740992.0)),
        ("-9007199254740992", Some(-9007199254740992.0)),
        ("9007199254740993", None),
        ("-9007199254740993", None),
        ("9223372036854775808", Some(9223372036854775808.0)),
        ("18446744073709551615", None),
    ] {
        for wire in [format!(r#"["p",{text}]"#), format!(r#"["p","{text}"]"#)] {
            let got = received(&Json, wire.as_bytes()).parse::<(f64,)>();
            assert_eq!(got.ok(), float.map(|x| (x,)), "{wire}");
        }
    }
    // What others send is not rounded either, as serde would.
    let wire = br#"["p",9007199254740993]"#;
    let message = decode(&Json, &peer(), wire).unwrap().remove(0).message;
    let error = message.parse::<(f64,)>().unwrap_err().to_string();
    assert_eq!(
        error,
        "element 0: expected f64, found integer 9007199254740993, which the float cannot represent exactly"
    );
    for (text, single) in [
        ("16777216", Some(16777216.0)),
        ("16777217", None),
        ("-16777217", None),
    ] {
        let wire = format!(r#"["p",{text}]"#);
        let message = decode(&Json, &peer(), wire.as_bytes())
            .unwrap()
            .remove(0)
            .message;
        assert_eq!(
            message.clone().parse::<(f32,)>().ok(),
            single.map(|x| (x,)),
            "{wire}"
        );
        assert!(message.parse::<(f64,)>().is_ok(), "{wire}");
    }
}

#[test]
fn a_number_is_text_where_text_is_wanted() {
    let json = br#"["p",42,-7,1.5,1e20,1e-05,0.333333333333333,18446744073709551615]"#;
    let message = received(&Json, json);
    assert_eq!(message.tag().as_deref(), Some("42"));
    let texts: [String; 7] = message.parse().unwrap();
    let expected = [
        "42",
        "-7",
        "1.5",
        "1e+20",
        "1e-05",
        "0.333333333333333",
        "18446744073709551615",
    ];
    assert_eq!(texts, expected);
    let message = received(&Json, br#"["p",[3],{"k":4},5,6]"#);
    type All = (Vec<String>, HashMap<String, String>, char, Option<String>);
    let (list, map, letter, option): All = message.parse().unwrap();
    assert_eq!((list, letter), (vec!["3".to_owned()], '5'));
    assert_eq!((map["k"].as_str(), option.as_deref()), ("4", Some("6")));
    // CBOR has all digits, and numbers as names and keys.
    let wire = b"\x84\x05\x07\xfb\x3f\xd5\x55\x55\x55\x55\x55\x55\xa1\x01\x02";
    let got = decode(&Cbor, &perl(), wire).unwrap().remove(0);
    assert_eq!(got.port.as_str(), "5");
    let (tag, third, map): (String, String, HashMap<String, i64>) = got.message.parse().unwrap();
    assert_eq!((&*tag, &*third), ("7", "0.33333333333333331"));
    assert_eq!(map["1"], 2);
    // An infinity has no number's text, and neither true nor null is a number.
    for wrong in [
        &b"\x82\x61p\xf9\x7c\x00"[..],
        b"\x82\x61p\xf5",
        b"\x82\x61p\xf6",
    ] {
        received(&Cbor, wrong).parse::<(String,)>().unwrap_err();
    }
    // What others send is a number.
    let message = decode(&Json, &peer(), br#"["p",42]"#)
        .unwrap()
        .remove(0)
        .message;
    assert_eq!(message.tag(), None);
    let error = message.parse::<(String,)>().unwrap_err().to_string();
    assert_eq!(error, "element 0: expected a string, found integer 42");
}

/// Found by fuzzing: what is remembered of the last message's front, `[5`, is no front of `[55`.
#[test]
fn a_number_as_a_port_is_read_to_its_end() {
    let json = br#"[5,1][55,2][5,3][5.5][5,4]"#;
    for cut in 0..json.len() {
        let received = decode_split(&Json, &Default::default(), &perl(), json, [cut]).unwrap();
        let ports: Vec<_> = received.iter().map(|one| one.port.as_str()).collect();
        assert_eq!(ports, ["5", "55", "5", "5.5", "5"]);
    }
}

#[test]
fn text_passes_as_the_bytes_that_perl_means() {
    // In JSON, bytes above 0x7f come as the code points of Latin-1.
    let message = received(&Json, "[\"p\",\"caf\u{e9}\"]".as_bytes());
    let (bytes,): (ByteBuf,) = message.parse().unwrap();
    assert_eq!(&bytes[..], b"caf\xe9");
}

#[test]
fn what_would_deafen_a_perl_node_is_an_error_with_its_path_wherever_it_stands() {
    let tag = |tag, content: Value| Value::Tag(tag, Box::new(content));
    let bad = [
        tag(0, "today".into()),
        tag(1, vec![].into()),
        tag(2, "1".into()),
        tag(3, bytes::Bytes::from_static(b"\x01").into()),
        tag(4, Map::new().into()),
        tag(5, Value::Null),
        tag(25, 7.into()),
        tag(26, vec!["Class".into()].into()),
        tag(28, vec![tag(29, 0.into())].into()),
        tag(29, 0.into()),
        tag(256, vec![tag(25, 7.into())].into()),
        Integer::negative(1 << 63).into(),
        Value::Simple(23),
    ];
    let refused = |value: Value| {
        let elements = [Value::from("tag"), value];
        encode_to(&Cbor, &peer(), &elements).expect("others can read it");
        let error = encode_to(&Cbor, &perl(), &elements)
            .unwrap_err()
            .to_string();
        assert!(error.ends_with(", which the peer cannot read"), "{error}");
        error
    };
    for bad in bad {
        let map = |key: Value, value: Value| Value::Map(vec![(key, value)].into());
        for (value, path) in [
            (bad.clone(), "element 1 holds"),
            (vec![1.into(), bad.clone()].into(), "element 1 at [1] holds"),
            (map("k".into(), bad.clone()), "element 1 at .k holds"),
            (map(bad.clone(), 1.into()), "element 1 at {key} holds"),
            (
                tag(55799, map("k".into(), vec![bad.clone()].into())),
                "element 1 at .k[0] holds",
            ),
            (tag(1000, bad.clone()), "element 1 holds"),
        ] {
            let error = refused(value);
            assert!(error.starts_with(path), "{error}");
        }
    }
    let error = refused(tag(25, 7.into()));
    let says = "element 1 holds the tag 25 around 7, which the peer cannot read";
    assert_eq!(error, says);
    let error = refused(Integer::negative(1 << 63).into());
    assert!(
        error.contains("the integer -9223372036854775809"),
        "{error}"
    );
}

#[test]
fn tags_of_types_are_looked_at_as_well() {
    use ciborium::tag::Required;
    let encode = |to: &PeerInfo, body: &dyn aemp::codec::Emit| {
        let (port, reply) = ("port", None);
        let body = Outgoing::Typed(body);
        aemp::codec::encode(
            &Cbor,
            &Frame::with_body(port, body).with_reply(reply),
            to,
            &mut BytesMut::new(),
        )
    };
    let good = ("at", vec![Required::<_, 1>(0)]);
    encode(&perl(), &good).unwrap();
    let bad = ("at", vec![Required::<_, 1>("noon")]);
    encode(&peer(), &bad).unwrap();
    let error = encode(&perl(), &bad).unwrap_err().to_string();
    let says = "element 1 at [0] holds the tag 1 around \"noon\", which the peer cannot read";
    assert_eq!(error, says);
    let below = ("n", i128::from(i64::MIN) - 1);
    encode(&peer(), &below).unwrap();
    encode(&perl(), &below).unwrap_err();
    encode(&perl(), &("n", i64::MIN)).unwrap();
}
