//! Values through both codecs and back: exactly, or refused. The input is one message of CBOR, whose values are those.
#![no_main]

use std::collections::BTreeMap;

use aemp::Values;
use aemp::codec::{Codec, Frame, Outgoing, PeerInfo};
use aemp::{Cbor, Json, Value, notation};
use aemp_fuzz::{PERL, decode};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

/// What a program might ask for.
#[derive(Debug, PartialEq, Deserialize)]
enum Request {
    Stop,
    Add(i64, u64),
    Name(String),
    Float(f64),
    Set { key: String, value: Option<Vec<i8>> },
    Nested(Box<Self>, Vec<Self>),
    Table(BTreeMap<String, (f32, char)>),
}

fuzz_target!(|data: &[u8]| {
    let received = decode(&Cbor, "", data, [data.len(); 2]).received;
    let Some(first) = received.first() else {
        return;
    };
    let values = first
        .message
        .to_values()
        .expect("a well-formed message")
        .to_vec();
    let text = Value::from(values.clone()).to_string();
    // The notation that people read and write.
    let read = notation::parse(&text).expect("what is written can be read");
    assert_eq!(read.to_string(), text);
    // Into a type, the bytes and the values give the same.
    let typed =
        |message: &aemp::Message| format!("{:?}", message.clone().parse::<(Request,)>().ok());
    assert_eq!(
        typed(&first.message),
        typed(&aemp::Values::from(values.clone()).into())
    );
    for codec in [&Cbor as &dyn Codec, &Json] {
        for provider in ["", PERL] {
            there_and_back(codec, provider, &values, &text);
        }
    }
});

/// Writes `values` for a peer with this `provider`, and reads them as one that is no Perl node.
fn there_and_back(codec: &dyn Codec, provider: &str, values: &[Value], text: &str) {
    let peer = PeerInfo::new("peer".parse().expect("an ID"), provider);
    let write = |body| {
        let mut out = BytesMut::from("before");
        let reply = None;
        let written = aemp::codec::encode(
            codec,
            &Frame::with_body("port", body).with_reply(reply),
            &peer,
            &mut out,
        );
        match written {
            Ok(()) => Ok(out.split_off("before".len())),
            Err(error) => {
                assert_eq!(out, "before", "an error leaves what was there");
                Err(error.to_string())
            }
        }
    };
    let written = write(Outgoing::Values(values));
    let typed = Values::from(values);
    let typed = write(Outgoing::Typed(&typed));
    assert_eq!(written, typed, "by values and by types");
    let fit = codec.capabilities(&peer).to_lossy(values);
    let fit = write(Outgoing::Values(&fit)).expect("what the node itself says always fits");
    let Ok(written) = written else { return };
    assert_eq!(written, fit, "nothing is bent that fits");
    let received = decode(codec, "", &written, [written.len(); 2]);
    if let Some(error) = received.error {
        // Written in another form it may be longer than the limit of the readers here.
        assert!(
            matches!(error, aemp::codec::DecodeError::TooLarge { .. }),
            "{error}"
        );
        return;
    }
    let [received] = &received.received[..] else {
        panic!("one message, not {}", received.received.len());
    };
    let values = received
        .message
        .to_values()
        .expect("a well-formed message")
        .to_vec();
    // A Perl node gets byte strings as texts, in JSON.
    if provider.is_empty() || codec.name() == "cbor" {
        assert_eq!(Value::from(values).to_string(), text);
    }
}
