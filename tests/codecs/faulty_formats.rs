//! Formats that do not do what they should: those that claim too much are found out before they are used, and whatever the
//! others return is an error of the message.

use std::sync::{Arc, Mutex};

use aemp::Value;
use aemp::codec::{
    BoxError, Capabilities, Codec, DecodeError, FormatError, Head, Limits, Out, Outgoing, Tags,
    ValueCodec, ValueFormat,
};
use bytes::BytesMut;

use crate::codec_msgpack::MsgPack;
use crate::limits::limits;
use crate::support::*;

/// MessagePack but for what is put in its place.
#[derive(Clone, Default)]
struct Faulty(Arc<Mutex<Faults>>);

type HeadFn = fn(&[u8]) -> Result<Option<Head>, BoxError>;
type WriteFn = fn(&Value, &mut Out<'_>) -> Result<(), BoxError>;

#[derive(Default)]
struct Faults {
    capabilities: Option<Capabilities>,
    head: Option<HeadFn>,
    write: Option<WriteFn>,
    read: Option<fn() -> Result<Value, BoxError>>,
}

impl ValueFormat for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }
    fn capabilities(&self) -> Capabilities {
        let claimed = self.0.lock().unwrap().capabilities.clone();
        claimed.unwrap_or_else(|| MsgPack.capabilities())
    }
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError> {
        let head = self.0.lock().unwrap().head;
        head.map_or_else(|| MsgPack.head(bytes), |head| head(bytes))
    }
    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError> {
        let write = self.0.lock().unwrap().write;
        match write {
            Some(write) => write(message, out),
            None => MsgPack.write(message, out),
        }
    }
    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError> {
        let read = self.0.lock().unwrap().read;
        read.map_or_else(|| MsgPack.read(bytes), |read| read())
    }
}

/// A codec that was right when it was made, with these faults.
fn faulty(set: impl FnOnce(&mut Faults)) -> ValueCodec {
    let format = Faulty::default();
    let codec = ValueCodec::new(format.clone()).unwrap();
    set(&mut format.0.lock().unwrap());
    codec
}

/// What is wrong with a format that has these faults from the beginning.
fn refused(set: impl FnOnce(&mut Faults)) -> String {
    let format = Faulty::default();
    set(&mut format.0.lock().unwrap());
    ValueCodec::new(format).unwrap_err().to_string()
}

fn claiming(change: impl FnOnce(&mut Capabilities)) -> String {
    let mut claimed = MsgPack.capabilities();
    change(&mut claimed);
    refused(|faults| faults.capabilities = Some(claimed))
}

#[test]
fn a_format_that_claims_more_than_it_has_is_refused() {
    let tags = claiming(|c| c.tags = Tags::All);
    let says = r#"the format faulty reads what it writes for 18446744073709551615("content") as [{"@@TAGGED@@": "#;
    assert!(tags.starts_with(says), "{tags}");
    let simple = claiming(|c| c.simple = true);
    assert!(simple.contains("simple(99)"), "{simple}");
    let least = claiming(|c| c.min_integer = aemp::Integer::MIN);
    assert!(least.contains("-18446744073709551616"), "{least}");
    let half = |value: &Value, out: &mut Out<'_>| match value[1].as_f64() {
        Some(x) if x.fract() != 0.0 => {
            MsgPack.write(&vec!["port".into(), (x as f32).into()].into(), out)
        }
        _ => MsgPack.write(value, out),
    };
    let float = refused(|faults| faults.write = Some(half));
    assert!(float.contains("for 0.1 as [0.1000000014901"), "{float}");
}

#[test]
fn a_format_that_cannot_find_its_own_messages_is_refused() {
    let never = refused(|faults| faults.head = Some(|_| Ok(None)));
    assert!(never.contains("as a message that goes on"), "{never}");
    let always = refused(|faults| faults.head = Some(|_| Ok(Some(Head::Message(1)))));
    assert!(always.contains("what it writes for null"), "{always}");
    let none = refused(|faults| faults.write = Some(|_, _| Ok(())));
    assert!(none.contains("for []"), "{none}");
    let format = Faulty::default();
    format.0.lock().unwrap().read = Some(|| Err("no".into()));
    let error = ValueCodec::new(format).unwrap_err();
    assert!(matches!(error, FormatError::Read { .. }), "{error}");
}

#[test]
fn lengths_that_cannot_be_are_errors() {
    type Case = (HeadFn, &'static str);
    let cases: [Case; 13] = [
        (|_| Ok(Some(Head::Message(0))), "a head without bytes"),
        (|_| Ok(Some(Head::Scalar(0))), "a head without bytes"),
        (
            |_| Ok(Some(Head::Array(0, Some(1)))),
            "a head without bytes",
        ),
        (|_| Ok(Some(Head::Array(0, None))), "a head without bytes"),
        (|_| Ok(Some(Head::Map(0, None))), "a head without bytes"),
        (|_| Ok(Some(Head::Tag(0))), "a head without bytes"),
        (|_| Ok(Some(Head::End(1))), "a message is an array"),
        (|_| Ok(None), "no head ends within 64 bytes"),
        (
            |_| Ok(Some(Head::Message(usize::MAX))),
            "longer than the limit",
        ),
        (
            |_| Ok(Some(Head::Array(usize::MAX, Some(1)))),
            "longer than the limit",
        ),
        (
            |_| Ok(Some(Head::Array(1, Some(u64::MAX)))),
            "more than the limit",
        ),
        (|_| Ok(Some(Head::Array(1, None))), "deeper than the limit"),
        (|_| Err("it is Tuesday".into()), "it is Tuesday"),
    ];
    let wire = [0x91; 600];
    for (head, says) in cases {
        let codec = faulty(|faults| faults.head = Some(head));
        let each_byte = decode_split(&codec, &Limits::default(), &peer(), &wire, 1..wire.len());
        for got in [decode(&codec, &peer(), &wire), each_byte] {
            let error = got.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
    // Inside of a message, too.
    let inside: [Case; 2] = [
        (
            |_| Ok(Some(Head::Scalar(usize::MAX))),
            "longer than the limit",
        ),
        (|_| Ok(Some(Head::Message(3))), "a message in a message"),
    ];
    for (head, says) in inside {
        let format = Faulty::default();
        let codec = ValueCodec::new(format.clone()).unwrap();
        let mut decoder = codec.decoder(&Limits::default(), &peer());
        let mut src = BytesMut::from(&b"\x92\xa1p"[..]);
        assert!(
            aemp::codec::decode(&mut *decoder, &mut src)
                .unwrap()
                .is_none()
        );
        format.0.lock().unwrap().head = Some(head);
        src.extend_from_slice(b"\x01");
        let error = aemp::codec::decode(&mut *decoder, &mut src)
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn what_is_read_keeps_within_the_limits_whatever_the_heads_said() {
    let wire = encode(&faulty(|_| {}), Outgoing::Values(&[1.into()])).unwrap();
    let got = |read| {
        let codec = faulty(|faults| faults.read = Some(read));
        decode(&codec, &peer(), &wire).map(|received| received.len())
    };
    // Deeper than any stack: it is refused, and dropped without one.
    let deep = || {
        let deep = (0..1_000_000).fold(Value::Null, |inner, _| Value::Tag(1, Box::new(inner)));
        Ok(vec!["port".into(), deep].into())
    };
    assert_eq!(
        got(deep),
        Err(DecodeError::too_deep(&limits(|l| l.depth = 512)))
    );
    let many = || Ok(vec!["port".into(), vec![Value::Null; 1_000_000].into()].into());
    assert_eq!(
        got(many),
        Err(DecodeError::too_many_items(
            &limits(|l| l.items = 1_000_000)
        ))
    );
    let none = got(|| Ok(Value::Null)).unwrap_err().to_string();
    assert_eq!(none, "byte 0 of a faulty message: a message is an array");
    assert_eq!(got(|| Ok(vec![].into())), Ok(0), "a keepalive");
    let error = got(|| Err("no".into())).unwrap_err().to_string();
    assert_eq!(error, "byte 0 of a faulty message: no");
}

#[test]
fn what_a_library_refuses_is_an_error_with_its_path_and_leaves_nothing() {
    fn no_seven(value: &Value) -> bool {
        match value {
            Value::Integer(n) => *n == 7.into(),
            Value::Array(items) => items.iter().any(no_seven),
            Value::Map(map) => map.iter().any(|(k, v)| no_seven(k) || no_seven(v)),
            _ => false,
        }
    }
    let codec = faulty(|faults| {
        faults.write = Some(|value, out| match no_seven(value) {
            true => {
                MsgPack.write(&"half of it".into(), out)?;
                Err("seven".into())
            }
            false => MsgPack.write(value, out),
        });
    });
    let map = |value: Value| Value::Map([("a", value)].into_iter().collect());
    let deep = (0..50).fold(Value::from(7), |inner, _| vec![inner].into());
    let cases = [
        (Value::from(7), "element 1"),
        (map(vec![1.into(), 7.into()].into()), "element 1 at .a[1]"),
        (
            Value::Map(vec![(7.into(), 1.into())].into()),
            "element 1 at {key}",
        ),
        (deep, "element 1 at [0][0][0][0][0][0][0][0]"),
    ];
    for (value, path) in cases {
        let mut out = BytesMut::from(&b"before"[..]);
        let values = ["x".into(), value];
        let frame = aemp::codec::Frame::new("port", &values);
        let error = aemp::codec::encode(&codec, &frame, &peer(), &mut out).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{path} cannot be written in faulty: seven")
        );
        assert_eq!(out, &b"before"[..]);
    }
    let codec = faulty(|faults| faults.write = Some(|_, _| Ok(())));
    let error = encode(&codec, Outgoing::Values(&[]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("faulty has written nothing"), "{error}");
}

#[test]
fn a_panic_is_an_error_like_any_other() {
    let codec = faulty(|faults| faults.write = Some(|_, _| panic!("written off")));
    let error = encode(&codec, Outgoing::Values(&[1.into()])).unwrap_err();
    assert!(
        error.to_string().contains("a panic: written off"),
        "{error}"
    );
    let wire = encode(&faulty(|_| {}), Outgoing::Values(&[1.into()])).unwrap();
    let says = "byte 0 of a faulty message: a panic: ";
    let codec = faulty(|faults| faults.head = Some(|_| panic!("headless")));
    let error = decode(&codec, &peer(), &wire).unwrap_err();
    assert_eq!(error.to_string(), format!("{says}headless"));
    let codec = faulty(|faults| faults.read = Some(|| panic!("unread")));
    let error = decode(&codec, &peer(), &wire).unwrap_err();
    assert_eq!(error.to_string(), format!("{says}unread"));
    let error = refused(|faults| faults.write = Some(|_, _| panic!("written off")));
    assert!(error.contains("does not write []"), "{error}");
}
