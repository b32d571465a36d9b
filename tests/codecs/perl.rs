//! What AnyEvent::MP nodes send (protocol.md section 3): text as byte strings, numbers as text, floats as integers.

use std::collections::HashMap;

use aemp::codec::Codec;
use aemp::{Message, PortId, Value};
use aemp_codec_cbor::Cbor;
use aemp_codec_json::Json;
use serde::Deserialize;

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
    let values = message.values().unwrap();
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
    assert_eq!(message.values().unwrap()[0].to_string(), "h'616464'");
    let error = message.parse::<(String,)>().unwrap_err().to_string();
    assert_eq!(error, "element 0: expected a string, found 3 bytes");
}

#[test]
fn bytes_that_are_not_utf8_stay_bytes() {
    let message = received(&Cbor, b"\x83\x41p\x41t\x44caf\xe9");
    assert_eq!(message.values().unwrap()[1].to_string(), "h'636166e9'");
    let (_, bytes): (String, serde_bytes::ByteBuf) = message.parse().unwrap();
    assert_eq!(&bytes[..], b"caf\xe9");
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
    for wrong in [r#""x""#, r#""""#, r#""1x""#, r#""inf""#, r#""0x10""#, "1.5"] {
        let message = received(&Json, format!(r#"["p",{wrong}]"#).as_bytes());
        let error = message.parse::<(i64,)>().unwrap_err().to_string();
        assert!(
            error.starts_with("element 0: expected i64, found"),
            "{error}"
        );
    }
    // From others a text is a text.
    let message = decode(&Json, &peer(), br#"["p","42"]"#)
        .unwrap()
        .remove(0)
        .message;
    let error = message.parse::<(i64,)>().unwrap_err().to_string();
    assert_eq!(error, r#"element 0: expected i64, found text "42""#);
}

#[test]
fn text_passes_as_the_bytes_that_perl_means() {
    // In JSON, bytes above 0x7f come as the code points of Latin-1.
    let message = received(&Json, "[\"p\",\"caf\u{e9}\"]".as_bytes());
    let (bytes,): (serde_bytes::ByteBuf,) = message.parse().unwrap();
    assert_eq!(&bytes[..], b"caf\xe9");
}
