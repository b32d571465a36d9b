//! RFC 8949: all of Appendix A in both directions. Appendix F, which is not well-formed, is in the table `tests/hostile` of the
//! workspace.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use aemp_codec_cbor::Cbor;
use aemp_core::codec::{Codec, DecodeError, Frame, Limits, Outgoing, PeerInfo};
use aemp_core::{Message, Value};
use bytes::BytesMut;

/// The encoding, the diagnostic notation, and whether the codec writes this encoding.
const EXAMPLES: &[(&str, &str, bool)] = &[
    ("00", "0", true),
    ("01", "1", true),
    ("0a", "10", true),
    ("17", "23", true),
    ("1818", "24", true),
    ("1819", "25", true),
    ("1864", "100", true),
    ("1903e8", "1000", true),
    ("1a000f4240", "1000000", true),
    ("1b000000e8d4a51000", "1000000000000", true),
    ("1bffffffffffffffff", "18446744073709551615", true),
    ("c249010000000000000000", "2(h'010000000000000000')", true),
    ("3bffffffffffffffff", "-18446744073709551616", true),
    ("c349010000000000000000", "3(h'010000000000000000')", true),
    ("20", "-1", true),
    ("29", "-10", true),
    ("3863", "-100", true),
    ("3903e7", "-1000", true),
    ("f90000", "0.0", true),
    ("f98000", "-0.0", true),
    ("f93c00", "1.0", true),
    ("fb3ff199999999999a", "1.1", true),
    ("f93e00", "1.5", true),
    ("f97bff", "65504.0", true),
    ("fa47c35000", "100000.0", true),
    ("fa7f7fffff", "3.4028234663852886e+38", true),
    ("fb7e37e43c8800759c", "1.0e+300", true),
    ("f90001", "5.960464477539063e-8", true),
    ("f90400", "6.103515625e-5", true),
    ("f9c400", "-4.0", true),
    ("fbc010666666666666", "-4.1", true),
    ("f97c00", "Infinity", true),
    ("f97e00", "NaN", true),
    ("f9fc00", "-Infinity", true),
    ("fa7f800000", "Infinity", false),
    ("fa7fc00000", "NaN", false),
    ("faff800000", "-Infinity", false),
    ("fb7ff0000000000000", "Infinity", false),
    ("fb7ff8000000000000", "NaN", false),
    ("fbfff0000000000000", "-Infinity", false),
    ("f4", "false", true),
    ("f5", "true", true),
    ("f6", "null", true),
    ("f7", "undefined", true),
    ("f0", "simple(16)", true),
    ("f8ff", "simple(255)", true),
    (
        "c074323031332d30332d32315432303a30343a30305a",
        r#"0("2013-03-21T20:04:00Z")"#,
        true,
    ),
    ("c11a514b67b0", "1(1363896240)", true),
    ("c1fb41d452d9ec200000", "1(1363896240.5)", true),
    ("d74401020304", "23(h'01020304')", true),
    ("d818456449455446", "24(h'6449455446')", true),
    (
        "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
        r#"32("http://www.example.com")"#,
        true,
    ),
    ("40", "h''", true),
    ("4401020304", "h'01020304'", true),
    ("60", r#""""#, true),
    ("6161", r#""a""#, true),
    ("6449455446", r#""IETF""#, true),
    ("62225c", r#""\"\\""#, true),
    ("62c3bc", "\"\u{fc}\"", true),
    ("63e6b0b4", "\"\u{6c34}\"", true),
    ("64f0908591", "\"\u{10151}\"", true),
    ("80", "[]", true),
    ("83010203", "[1, 2, 3]", true),
    ("8301820203820405", "[1, [2, 3], [4, 5]]", true),
    (
        "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]",
        true,
    ),
    ("a0", "{}", true),
    ("a201020304", "{1: 2, 3: 4}", true),
    ("a26161016162820203", r#"{"a": 1, "b": [2, 3]}"#, true),
    ("826161a161626163", r#"["a", {"b": "c"}]"#, true),
    (
        "a56161614161626142616361436164614461656145",
        r#"{"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}"#,
        true,
    ),
    ("5f42010243030405ff", "h'0102030405'", false),
    ("7f657374726561646d696e67ff", r#""streaming""#, false),
    ("9fff", "[]", false),
    ("9f018202039f0405ffff", "[1, [2, 3], [4, 5]]", false),
    ("9f01820203820405ff", "[1, [2, 3], [4, 5]]", false),
    ("83018202039f0405ff", "[1, [2, 3], [4, 5]]", false),
    ("83019f0203ff820405", "[1, [2, 3], [4, 5]]", false),
    (
        "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]",
        false,
    ),
    ("bf61610161629f0203ffff", r#"{"a": 1, "b": [2, 3]}"#, false),
    ("826161bf61626163ff", r#"["a", {"b": "c"}]"#, false),
    (
        "bf6346756ef563416d7421ff",
        r#"{"Fun": true, "Amt": -2}"#,
        false,
    ),
];

fn unhex(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn peer() -> PeerInfo {
    PeerInfo::new("peer".parse().unwrap(), "")
}

/// A message for port `p` with one element.
fn message(element: &str) -> BytesMut {
    let mut wire = BytesMut::from(&b"\x82\x61p"[..]);
    wire.extend_from_slice(&unhex(element));
    wire
}

fn decode(mut wire: BytesMut) -> Result<Option<Message>, DecodeError> {
    let mut decoder = Cbor.decoder(&Limits::default(), &peer());
    Ok(aemp::codec::decode(&mut *decoder, &mut wire)?.map(|received| received.message))
}

#[test]
fn appendix_a_decodes_to_its_diagnostic_notation() {
    for (hex, diagnostic, _) in EXAMPLES {
        let message = decode(message(hex)).unwrap().expect(hex);
        let values = message.to_values().unwrap();
        assert_eq!(values.len(), 1, "{hex}");
        assert_eq!(values[0].to_string(), *diagnostic, "{hex}");
        // Typed parsing gives the same result.
        let (value,): (Value,) = message.clone().parse().unwrap();
        assert_eq!(value.to_string(), *diagnostic, "{hex}");
    }
}

#[test]
fn appendix_a_is_what_we_write() {
    for (hex, diagnostic, canonical) in EXAMPLES {
        if !canonical {
            continue;
        }
        let decoded = decode(message(hex)).unwrap().expect(hex);
        let value = decoded.to_values().unwrap()[0].clone();
        let bodies = [
            Outgoing::Values(std::slice::from_ref(&value)),
            Outgoing::Typed(&(&value,)),
        ];
        for body in bodies {
            let frame = Frame::with_body("p", body);
            let mut out = BytesMut::new();
            aemp::codec::encode(&Cbor, &frame, &peer(), &mut out).unwrap();
            assert_eq!(out, message(hex), "{hex} {diagnostic}");
        }
    }
}
